"""The answers of hello_app, from both images."""

import pytest


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_hello(container, method):
    status, headers, body = container.request("/", method)
    assert (status, body) == (200, b"Hello world!" if method == "GET" else b"")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Content-Length"] == "12"


def test_healthz(container):
    assert container.request("/healthz")[::2] == (204, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_unknown_path(container, method):
    status, _, body = container.request("/nothing", method)
    assert (status, bool(body)) == (404, method == "GET")


def test_other_method(container):
    status, headers, _ = container.request("/", "POST")
    assert (status, set(headers["Allow"].split(", "))) == (405, {"GET", "HEAD", "OPTIONS"})
