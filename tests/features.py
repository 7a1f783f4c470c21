"""A Flask app that answers in every way that real apps do; hello answers twelve bytes."""

import hashlib
import sqlite3
import tempfile
import threading
import time
from pathlib import Path

from flask import Flask, Response, request

PIECE = bytes(range(256)) * 32
local = threading.local()
static = tempfile.TemporaryDirectory()
Path(static.name, "big").write_bytes(PIECE * 128)
app = Flask(__name__, static_folder=static.name, static_url_path="/static")


@app.get("/")
def scheme():
    return request.scheme


@app.get("/headers")
def headers():
    """The header that the server has received."""
    return dict(request.headers)


@app.get("/stream")
def stream():
    return Response(PIECE for _ in range(200))


@app.get("/rows")
def rows():
    """Rows of a connection that only the thread that opened it may use."""
    database = sqlite3.connect(":memory:")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i FROM n"
    return Response(f"{row[0]}\n" for row in database.execute(numbers))


@app.get("/local")
def thread_local():
    """The user's name, read from a thread-local while the answer is sent."""
    local.user = request.args["user"]

    def pieces():
        for _ in range(5):
            time.sleep(0.002)
            yield local.user

    return Response(pieces())


@app.post("/upload")
def upload():
    return hashlib.sha256(request.files["file"].read()).hexdigest()


@app.get("/events")
def events():
    """Two server-sent events: the second when the first has been confirmed."""

    name = request.args["id"]

    def pieces():
        yield "data: first\n\n"
        wait_for(confirmed(name))
        yield "data: second\n\n"

    return Response(pieces(), mimetype="text/event-stream")


@app.post("/events")
def confirm():
    confirmed(request.args["id"]).touch()
    return "", 204


@app.get("/error")
def error():
    def pieces():
        yield PIECE
        raise RuntimeError("in mid-stream")

    return Response(pieces())


@app.get("/slow")
def slow():
    """Answers when it is confirmed."""
    confirmed("begun").touch()
    wait_for(confirmed("end"))
    return "done"


def confirmed(name):
    """The file by which the workers, which are processes, tell each other."""
    return Path(tempfile.gettempdir(), f"confirmed-{name}")


def wait_for(path):
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
