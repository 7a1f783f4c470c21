# What the separate build image replaces: the recipe on the official image's page, dependencies first and then the source.
ARG BASE=python:3.14
FROM ${BASE}
# Set to 1 by a common habit, for which each start compiles everything again. Empty, Python ignores it.
ARG NO_BYTECODE=
ENV PYTHONDONTWRITEBYTECODE=${NO_BYTECODE}
WORKDIR /app
COPY requirements/runtime.txt .
RUN pip install --no-cache-dir --require-hashes --requirement runtime.txt
COPY docker/gunicorn.conf.py /etc/
COPY . .
EXPOSE 8080
CMD ["gunicorn", "--config=/etc/gunicorn.conf.py"]
