# The app in a stage and a layer of its own, the last one: a code change installs and pushes no dependency again.
FROM python:3.14 AS dependencies
COPY requirements/runtime.txt /
RUN pip wheel --no-cache-dir --require-hashes --requirement runtime.txt --wheel-dir /wheels

FROM python:3.14 AS application
COPY requirements/build.txt /
RUN pip install --no-cache-dir --require-hashes --requirement build.txt
COPY . /src
RUN python -m build --wheel --no-isolation --outdir /wheels /src \
    && python -m installer --destdir /out --compile-bytecode 0 /wheels/*.whl

FROM python:3.14-slim
RUN --mount=type=bind,from=dependencies,source=/wheels,target=/wheels pip install --no-cache-dir --no-index /wheels/*.whl
COPY docker/gunicorn.conf.py /etc/
CMD ["gunicorn", "--config=/etc/gunicorn.conf.py"]
COPY --from=application /out /
