# Two stages, so every dependency builds and no compiler ships: slim gets a copy of a
# virtual environment.
FROM python:3.14 AS builder
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
WORKDIR /src
COPY requirements/runtime.txt .
RUN pip install --no-cache-dir --require-hashes --requirement runtime.txt
COPY . .
RUN pip install --no-cache-dir --no-deps --build-constraint requirements/build.txt .

FROM python:3.14-slim
COPY docker/gunicorn.conf.py /etc/
COPY --from=builder /venv /venv
ENV PATH=/venv/bin:$PATH
CMD ["gunicorn", "--config=/etc/gunicorn.conf.py"]
