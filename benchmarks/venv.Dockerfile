# The most common recipe of two stages: a virtual environment with the dependencies and the app, copied in one layer.
FROM python:3.14 AS builder

WORKDIR /src
COPY requirements requirements
RUN pip install --no-cache-dir --require-hashes --requirement requirements/build.txt \
    && python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --require-hashes --requirement requirements/runtime.txt
COPY . .
RUN python -m build --wheel --no-isolation --outdir /wheels \
    && /venv/bin/pip install --no-cache-dir --no-index /wheels/*.whl

FROM python:3.14-slim
COPY --from=builder /venv /venv
ENV PATH=/venv/bin:$PATH
USER 10001:10001
EXPOSE 8080
CMD ["python", "-m", "hello_app.server"]
