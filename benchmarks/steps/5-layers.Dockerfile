# The app in a stage and a layer of its own, the last one: a code change installs no
# dependency again, and a machine that has a cache pushes none.
FROM python:3.14 AS dependencies
COPY requirements/runtime.txt /
RUN pip wheel --no-cache-dir --require-hashes --requirement runtime.txt --wheel-dir /wheels

FROM python:3.14 AS application
COPY requirements/build.txt /
RUN pip install --no-cache-dir --require-hashes --requirement build.txt
COPY . /src
RUN python -m build --wheel --no-isolation --skip-dependency-check --outdir /wheels /src \
    && python -m installer --destdir /out --compile-bytecode 0 /wheels/*.whl

FROM python:3.14-slim
COPY docker/gunicorn.conf.py /etc/
RUN --mount=type=bind,from=dependencies,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index /wheels/*.whl
CMD ["gunicorn", "--config=/etc/gunicorn.conf.py"]
COPY --from=application /out /
