"""A Flask app that answers in every way that real apps do."""

import hashlib
import logging.config
import sys
import time
from pathlib import Path

from flask import Flask, Response, request

FORM = {"Content-Type": "multipart/form-data; boundary=x"}
app = Flask(__name__)


def form(file):
    """The body of a request with FORM as its headers, which uploads these bytes."""
    disposition = b'Content-Disposition: form-data; name="file"; filename="f"'
    return b"--x\r\n" + disposition + b"\r\n\r\n" + file + b"\r\n--x--\r\n"


def configured():
    """The app, after it configured logging, which by default disables all loggers."""
    logging.config.dictConfig({"version": 1})
    return app


def slow():
    """The app, after a start that takes its time."""
    time.sleep(10)
    return app


@app.get("/")
def headers():
    """The scheme and the header that came, and a header of so many bytes."""
    length = request.args.get("bytes", 0, int)
    return {"scheme": request.scheme, **request.headers}, {"X-Long": "a" * length}


@app.get("/stream")
def stream():
    """8 kB, as many times as asked."""
    return Response(bytes(8192) for _ in range(request.args.get("pieces", type=int)))


@app.post("/upload")
def upload():
    """The digest of a file, after so many seconds in which the file takes room."""
    digest = hashlib.sha256(request.files["file"].read()).hexdigest()
    time.sleep(request.args.get("seconds", 0, float))
    return digest


@app.get("/print")
def print_():
    """A hundred lines of three pieces on each stream, as any code prints them."""
    for number in range(100):
        print("printed", number, "whole")
        print("printed", number, "whole", file=sys.stderr)
    return ""


@app.get("/events/<name>")
def events(name):
    """An event of so many bytes, if any, and one when confirmed, or after 90 s."""
    print("begun", name)

    def pieces(count, deadline):
        if count:
            yield "a" * count
        while not confirmed(name).exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        yield "done"

    stream = pieces(request.args.get("bytes", 0, int), time.monotonic() + 90)
    unbuffered = {"X-Accel-Buffering": "no"}
    return Response(stream, mimetype="text/event-stream", headers=unbuffered)


@app.post("/events/<name>")
def confirm(name):
    confirmed(name).touch()
    return "", 204


def confirmed(name):
    """The file by which the workers, which are processes, tell each other."""
    return Path(f"/tmp/confirmed-{name}")
