# The separate build image, for interpreted code: the full image makes wheels, and slim, which ships, receives only those.

# 1. dependencies: a wheel of each locked package. Runs again only when the lock file changes.
FROM python:3.14 AS dependencies
COPY requirements/runtime.txt /
RUN pip wheel --no-cache-dir --require-hashes --requirement runtime.txt --wheel-dir /wheels

# 2. application: the app's own wheel, unpacked into an empty folder. Runs again when the source changes.
FROM python:3.14 AS application
COPY requirements/build.txt /
RUN pip install --no-cache-dir --require-hashes --requirement build.txt
COPY . /src
# The app has a folder of its own, because BuildKit checksums everything in the folder that COPY --from names.
WORKDIR /out/app
# - Hidden files are deleted because a tar or a git URL as context bypasses .dockerignore: a .env must not reach the wheel.
# - docker/ is moved because setuptools would take it for a second package.
# - SOURCE_DATE_EPOCH gives the wheel one date, so that the same source gives the same bytes.
# - dates.py dates installed files by their content, so that a browser notices a change.
# - The check of the backend is skipped: the lock pins it, and the check takes a third of the build.
# - Static files get a layer of their own, so that a code change does not push them again.
RUN mv /src/docker / && find /src -mindepth 1 -name '.*' -prune -exec rm -r {} + && export SOURCE_DATE_EPOCH=315532800 \
    && python -m build --wheel --no-isolation --skip-dependency-check --outdir /wheels /src \
    && python -m installer --destdir . --compile-bytecode 0 /wheels/*.whl \
    && python /docker/dates.py . \
    && mkdir /out/static && find . -type d -name static -prune \
        -exec cp --archive --parents --target-directory=/out/static {} \; -exec rm -r {} \;

# 3. installed: slim with the locked wheels. They are bind-mounted, so no layer contains them.
FROM python:3.14-slim AS installed
# - Bytecode is compiled now, because slim has none and a non-root user can never write any. SOURCE_DATE_EPOCH has it
#   checked by hash: the dates of files change when an image is made reproducible.
# - pip goes, because it has done its work and scanners would report it.
# - The user gets a name, and can write only to /tmp and /dev/shm.
RUN --mount=type=bind,from=dependencies,source=/wheels,target=/wheels \
    --mount=type=bind,source=docker/bytecode.py,target=/bytecode.py \
    --mount=type=bind,source=docker/dates.py,target=/dates.py --mount=type=tmpfs,target=/tmp \
    export PYTHONDONTWRITEBYTECODE=1 PYTHONNODEBUGRANGES=1 SOURCE_DATE_EPOCH=315532800 \
    && pip install --no-cache-dir --no-index --root-user-action=ignore /wheels/*.whl \
    && python /bytecode.py \
    && rm -r /usr/local/lib/python3.*/site-packages/pip* /usr/local/lib/python3.*/ensurepip /usr/local/bin/pip* \
    && python /dates.py /usr/local/lib/python3.*/site-packages \
    && echo 'app:x:10001:10001::/tmp:/usr/sbin/nologin' >> /etc/passwd && echo 'app:x:10001:' >> /etc/group \
    && chmod 0755 /run/lock /var/tmp
COPY --chmod=755 docker/probe.py /usr/local/bin/probe
COPY --chmod=644 docker/gunicorn.conf.py /etc/

# 4. bare: the app on nothing but Python and the libraries that it links: docker build --target bare
# An image from scratch inherits nothing, so it repeats what runtime declares.
FROM installed AS collection
RUN --mount=type=bind,source=docker,target=/docker sh /docker/collect.sh
FROM scratch AS bare
COPY --from=collection /bare /
ENV PATH=/usr/local/bin PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s --start-interval=2s CMD ["probe"]
CMD ["gunicorn", "--config=/etc/gunicorn.conf.py"]
COPY --from=application /out/static /
COPY --from=application /out/app /

# 5. runtime: the image that ships, built when no target is named. The code comes last, so a code change makes only the
# last layer again.
FROM installed AS runtime
ENV PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s --start-interval=2s CMD ["probe"]
CMD ["gunicorn", "--config=/etc/gunicorn.conf.py"]
COPY --from=application /out/static /
COPY --from=application /out/app /
