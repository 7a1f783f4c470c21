# One stage on the full image: the recipe of the official image's page, with the
# dependencies before the source.
FROM python:3.14
WORKDIR /app
COPY requirements/runtime.txt .
RUN pip install --no-cache-dir --require-hashes --requirement runtime.txt
COPY docker/gunicorn.conf.py /etc/
COPY . .
CMD ["gunicorn", "--config=/etc/gunicorn.conf.py"]
