"""The answers of hello_app, from Flask's test client and from both images."""

import pytest
from servers import Container

from hello_app import create_app


class Client:
    """Flask's test client, asked as a server is."""

    def request(self, path, method="GET"):
        answer = create_app().test_client().open(path, method=method)
        return answer.status_code, answer.headers, answer.data


@pytest.fixture(scope="module", params=["client", "runtime", "bare"])
def hello(request):
    if request.param == "client":
        yield Client()
    else:
        with Container(request.getfixturevalue(request.param)) as server:
            yield server.wait_for_answer()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_hello(hello, method):
    status, headers, body = hello.request("/", method)
    assert (status, body) == (200, b"Hello world!" if method == "GET" else b"")
    assert (headers["Content-Type"], headers["Content-Length"]) == ("text/plain; charset=utf-8", "12")


def test_healthz(hello):
    assert hello.request("/healthz")[::2] == (204, b"")


def test_unknown_path(hello):
    assert hello.request("/nothing")[0] == 404


def test_other_method(hello):
    status, headers, _ = hello.request("/", "POST")
    assert (status, set(headers["Allow"].split(", "))) == (405, {"GET", "HEAD", "OPTIONS"})
