# Step 3 as it is often taught: pip compiles nothing, so each start compiles all.
FROM python:3.14 AS builder
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
COPY requirements/runtime.txt .
RUN pip install --no-cache-dir --no-compile --require-hashes --requirement runtime.txt
COPY . .
RUN pip install --no-cache-dir --no-compile --no-deps --build-constraint requirements/build.txt .

FROM python:3.14-slim
COPY docker/gunicorn.conf.py /etc/
COPY --from=builder /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1
CMD ["gunicorn", "--config=/etc/gunicorn.conf.py"]
