# What loads the servers, from inside their own network: wrk, and the hostile client.
FROM python:3.14-slim

# The distribution's release, which its next update replaces.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends wrk \
    && rm -r /var/lib/apt/lists/*
COPY benchmarks/hostile.py benchmarks/pages.py /
