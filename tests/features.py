"""A Flask app that answers in every way that real apps do; hello answers twelve bytes."""

import hashlib
import sys
import tempfile
import time
from pathlib import Path

from flask import Flask, Response, request

PIECE = bytes(range(256)) * 32
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
static = tempfile.TemporaryDirectory()
Path(static.name, "big").write_bytes(PIECE * 128)
app = Flask(__name__, static_folder=static.name, static_url_path="/static")


def form(file):
    """The body of a request with FORM as its headers, which uploads these bytes."""
    return b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + file + b"\r\n--x--\r\n"


@app.get("/")
def scheme():
    return request.scheme


@app.get("/headers")
def headers():
    """The header that the server has received, and as many bytes of header as are asked for."""
    return dict(request.headers), {"X-Long": "a" * request.args.get("bytes", 0, int)}


@app.get("/stream")
def stream():
    """8 kB, as many times as asked."""
    return Response(PIECE for _ in range(request.args.get("pieces", 200, int)))


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


@app.get("/events")
def events():
    """Two server-sent events, the first of 100 kB: the second when the first has been confirmed."""

    def pieces(name):
        yield f"data: {'a' * 100_000}\n\n"
        wait_for(confirmed(name))
        yield "data: second\n\n"

    stream = pieces(request.args["id"])
    return Response(stream, mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})


@app.post("/events")
def confirm():
    confirmed(request.args["id"]).touch()
    return "", 204


@app.get("/slow")
def slow():
    """Answers when it is confirmed, or after 90 seconds."""
    print("begun", request.args["id"])
    wait_for(confirmed(request.args["id"]))
    return "done"


def confirmed(name):
    """The file by which the workers, which are processes, tell each other."""
    return Path(tempfile.gettempdir(), f"confirmed-{name}")


def wait_for(path):
    deadline = time.monotonic() + 90
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
