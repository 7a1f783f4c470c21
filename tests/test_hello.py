"""The answers of hello_app; test_readme.py asks both images for the same twelve bytes."""

from hello_app import create_app


def test_hello():
    answer = create_app().test_client().get("/")
    assert (answer.status_code, answer.data) == (200, b"Hello world!")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_healthz():
    answer = create_app().test_client().get("/healthz")
    assert (answer.status_code, answer.data) == (204, b"")
