# One stage for an app that compiles a dependency: on the full image, and on slim with the compiler that it needs there.
FROM python:3.14 AS one-stage
WORKDIR /app
COPY requirements requirements
RUN pip install --no-cache-dir --require-hashes --requirement requirements/runtime.txt
COPY . .
RUN pip install --no-cache-dir --no-deps --build-constraint requirements/build.txt .

FROM python:3.14-slim AS slim
# The distribution's release, which its next update replaces.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements requirements
RUN pip install --no-cache-dir --require-hashes --requirement requirements/runtime.txt
COPY . .
RUN pip install --no-cache-dir --no-deps --build-constraint requirements/build.txt .
