# One stage on slim: no compiler ships, and what has no wheel does not build.
FROM python:3.14-slim
WORKDIR /app
COPY requirements/runtime.txt .
RUN pip install --no-cache-dir --require-hashes --requirement runtime.txt
COPY docker/gunicorn.conf.py /etc/
COPY . .
CMD ["gunicorn", "--config=/etc/gunicorn.conf.py"]
