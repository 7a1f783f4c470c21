# The separate build image, for interpreted code: the full image builds, and slim or
# scratch is what you run. It receives wheels and the app's files, and no build tools.

# 1. dependencies: a wheel of each locked package. Runs again when the lock changes.
FROM python:3.14 AS dependencies
COPY requirements/runtime.txt /
# A constant date: 1980-01-01, the first that a wheel can have. No debug symbols: they
# contain the random name of pip's build folder.
ENV SOURCE_DATE_EPOCH=315532800 CFLAGS="-O3 -g0" CXXFLAGS="-O3 -g0"
# /out, not /: BuildKit checksums the parent folder of a mounted path.
RUN pip wheel --no-cache-dir --require-hashes --requirement runtime.txt --wheel-dir /out/wheels \
    # Stage 3 has no pip: it runs this copy, whose bytecode makes it start faster.
    && cp --archive /usr/local/lib/python3.*/site-packages/pip /out/wheels

# 2. application: the app's own wheel, unpacked. Runs again when the source changes.
FROM python:3.14 AS application
COPY requirements/build.txt /
RUN pip install --no-cache-dir --require-hashes --requirement build.txt
COPY . /src
RUN export SOURCE_DATE_EPOCH=315532800 \
    # A tar or a git URL as context bypasses .dockerignore, so delete hidden files here.
    && find /src -mindepth 1 -name '.*' ! -name .well-known ! -name .vite -prune -exec rm -r {} + \
    # setuptools would take docker/ for a second package.
    && mv /src/docker / \
    # build.txt pins the build backend, so skip the slow check of it.
    && python -m build --wheel --no-isolation --skip-dependency-check --outdir /wheels /src \
    && python -m installer --destdir /out/app --compile-bytecode 0 /wheels/*.whl \
    # Makes /out/static, and /out/links for bare, out of /out/app.
    && sh /docker/split.sh

# 3. installed: slim with the locked wheels. They are bind-mounted, so no layer has
# them. Runs again when the lock or docker/ changes.
FROM python:3.14-slim AS installed
# Hide pip from scanners. Not pip*: other packages begin with pip too. A layer of its
# own, because Docker's classic image store gives deletions today's date.
RUN cd /usr/local/lib/python3.*/site-packages \
    && rm -r pip pip-[0-9]* ../ensurepip /usr/local/bin/pip /usr/local/bin/pip3* \
    && touch --date=@0 . .. /usr/local/bin
# finish.sh changes dates. With SOURCE_DATE_EPOCH, bytecode is checked by hash instead.
RUN --mount=type=bind,from=dependencies,source=/out/wheels,target=/wheels \
    --mount=type=bind,source=docker,target=/docker --mount=type=tmpfs,target=/tmp \
    # finish.sh looks for files newer than this one.
    touch /tmp/began \
    && export SOURCE_DATE_EPOCH=315532800 PYTHONNODEBUGRANGES=1 \
    # The pip of stage 1. As root it also saves bytecode of the stdlib it imports.
    && PYTHONPATH=/wheels python -m pip install --no-index --no-cache-dir \
        --root-user-action=ignore /wheels/*.whl \
    && python /docker/bytecode.py \
    && sh /docker/finish.sh

# 4. bare: the app, Python and its shared libraries (docker build --target bare).
# An image from scratch inherits nothing, so it repeats the settings of stage 5.
FROM installed AS collection
RUN --mount=type=bind,source=docker,target=/docker \
    --mount=type=bind,from=application,source=/out/links,target=/application \
    sh /docker/collect.sh
FROM scratch AS bare
COPY --from=collection /bare /
ENV PATH=/usr/local/bin PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --timeout=3s --start-period=10s --start-interval=2s CMD ["probe"]
CMD ["gunicorn", "--config=/etc/gunicorn.conf.py"]
COPY --from=application /out/static /
COPY --from=application /out/app /

# 5. runtime: the default image. The code comes last, so a code change makes only the
# last layer again.
FROM installed AS runtime
ENV PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --timeout=3s --start-period=10s --start-interval=2s CMD ["probe"]
CMD ["gunicorn", "--config=/etc/gunicorn.conf.py"]
COPY --from=application /out/static /
COPY --from=application /out/app /
