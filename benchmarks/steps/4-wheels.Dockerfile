# Wheels instead of the virtual environment. They are bind-mounted, so no layer has them.
FROM python:3.14 AS builder
WORKDIR /src
COPY requirements/runtime.txt .
RUN pip wheel --no-cache-dir --require-hashes --requirement runtime.txt --wheel-dir /wheels
COPY requirements/build.txt /
RUN pip install --no-cache-dir --require-hashes --requirement /build.txt
COPY . .
RUN python -m build --wheel --no-isolation --outdir /wheels

FROM python:3.14-slim
COPY docker/gunicorn.conf.py /etc/
RUN --mount=type=bind,from=builder,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index /wheels/*.whl
CMD ["gunicorn", "--config=/etc/gunicorn.conf.py"]
