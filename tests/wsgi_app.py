"""A WSGI app (PEP 3333) for test_worker.py: each path does what some app does."""

import time
from pathlib import Path


def app(environ, start_response):
    return globals()[environ["PATH_INFO"].strip("/")](environ, start_response)


def hello(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


def show(environ, start_response):
    start_response("200 OK", [])
    return [repr(environ[environ["QUERY_STRING"]]).encode()]


def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def write(environ, start_response):
    start_response("200 OK", [])(b"written, ")
    return [b"returned"]


def late_error(environ, start_response):
    start_response("200 OK", [])
    yield b"first"
    raise RuntimeError("late")


def error(environ, start_response):
    raise RuntimeError("early")


def wait(environ, start_response):
    Path("waits").touch()
    wait_for_file("finish")
    return hello(environ, start_response)


def wait_for_file(name):
    while not Path(name).exists():
        time.sleep(0.01)


class Closing(list):
    def close(self):
        wait_for_file("finish")
        Path("closed").touch()


def close_slowly(environ, start_response):
    return Closing(hello(environ, start_response))


class Endless:
    def __iter__(self):
        return self

    def __next__(self):
        return b"x" * 65536

    def close(self):
        Path(f"closed-{id(self)}").touch()
        raise RuntimeError("close")


def endless(environ, start_response):
    start_response("200 OK", [])
    return Endless()
