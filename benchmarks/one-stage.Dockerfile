# What the separate build image replaces: the app built and run in one image, with the locked packages and the same server.
ARG BASE=python:3.14
FROM ${BASE}

# A habit, when it is 1: no start writes bytecode. Empty, Python does not see it.
ARG NO_BYTECODE=
ENV PYTHONDONTWRITEBYTECODE=${NO_BYTECODE}
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir --require-hashes --requirement requirements/runtime.txt
EXPOSE 8080
CMD ["python", "-m", "hello_app.server"]
