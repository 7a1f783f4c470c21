"""The answers of hello_app, from gunicorn in a process and from both images."""

import pytest
from servers import Container, start_gunicorn


@pytest.fixture(scope="module", params=["process", "runtime", "bare"])
def hello(request, tmp_path_factory):
    if request.param == "process":
        server = start_gunicorn(tmp_path_factory.mktemp("hello"))
    else:
        server = Container(request.getfixturevalue(request.param))
    with server:
        yield server.wait_for_answer()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_hello(hello, method):
    status, headers, body = hello.request("/", method)
    assert (status, body) == (200, b"Hello world!" if method == "GET" else b"")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Content-Length"] == "12"


def test_healthz(hello):
    assert hello.request("/healthz")[::2] == (204, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_unknown_path(hello, method):
    status, _, body = hello.request("/nothing", method)
    assert (status, bool(body)) == (404, method == "GET")


@pytest.mark.parametrize("path", ["/", "/healthz"])
def test_other_method(hello, path):
    status, headers, _ = hello.request(path, "POST")
    assert (status, set(headers["Allow"].split(", "))) == (405, {"GET", "HEAD", "OPTIONS"})
