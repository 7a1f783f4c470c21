# uv as its documentation shows it (a cache mount, compiled bytecode, the environment is
# copied), with this project's locks, and built on the full image:
# https://docs.astral.sh/uv/guides/integration/docker/
FROM python:3.14 AS builder
COPY requirements/bench.txt /
RUN pip install --no-cache-dir --require-hashes --requirement bench.txt
# uv trusts its own certificates; the system's may include that of a company's proxy.
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=0 UV_SYSTEM_CERTS=1
WORKDIR /app
RUN --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,source=requirements/runtime.txt,target=runtime.txt \
    uv venv && uv pip install --require-hashes --requirement runtime.txt
COPY . .
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --no-deps --build-constraint requirements/build.txt .

FROM python:3.14-slim
COPY docker/gunicorn.conf.py /etc/
COPY --from=builder /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH
CMD ["gunicorn", "--config=/etc/gunicorn.conf.py"]
