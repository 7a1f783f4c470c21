# The app beside other servers, each started with a command of its own. uWSGI is compiled here: it has no wheel.
FROM python:3.14

WORKDIR /app
COPY requirements/servers.txt .
RUN pip install --no-cache-dir --require-hashes --requirement servers.txt
COPY hello_app hello_app
EXPOSE 8080
