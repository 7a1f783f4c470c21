"""The worker, with an app that does what some apps do, and clients that do what they should not."""

import os
import re
import signal
import socket

import pytest
from conftest import ROOT, gunicorns, wait_until

THREADS = 2
ARGUMENTS = ["--threads", str(THREADS), "--timeout=4", "--pythonpath", str(ROOT / "tests"), "wsgi_app:app"]


@pytest.fixture
def server(gunicorn):
    return gunicorn(*ARGUMENTS, WEB_CONCURRENCY="1")


@pytest.fixture(scope="module")
def shared(python, tmp_path_factory):
    """A server for the tests that leave it as it was."""
    with gunicorns(python) as start:
        yield start(tmp_path_factory.mktemp("shared"), *ARGUMENTS, WEB_CONCURRENCY="1")


def connect(server, data):
    """Return a socket on which `data` was sent."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    client.sendall(data)
    return client


def request(target, *headers, body=b"", method="GET"):
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: a.example", *headers, "", ""]).encode() + body


def receive(client):
    """Return the status and the rest of what the server sends until it closes the connection."""
    with client:
        head, _, content = b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")
    return int(head.split()[1]), content


def exchange(server, target, *headers, **options):
    return receive(connect(server, request(target, "Connection: close", *headers, **options)))


def check_serves(server):
    assert exchange(server, "/hello") == (200, b"hello")


@pytest.mark.parametrize(
    ("target", "name", "value"),
    [
        ("/%73how", "PATH_INFO", "/show"),
        ("/show", "HTTP_HOST", "a.example"),
        ("http://b.example:81/show", "HTTP_HOST", "b.example:81"),
        ("/show", "HTTP_X_TWICE", "1,2"),
        ("/show", "REMOTE_ADDR", "127.0.0.1"),
        ("/show", "SERVER_PROTOCOL", "HTTP/1.1"),
        ("/show", "wsgi.url_scheme", "http"),
        ("/show", "wsgi.input_terminated", True),
    ],
)
def test_environ_has(shared, target, name, value):
    status, content = exchange(shared, f"{target}?{name}", "X-Twice: 1", "X-Twice: 2")
    assert (status, content.split(b"\r\n")[1]) == (200, repr(value).encode())  # the second line of a chunked answer


@pytest.mark.parametrize("size", [0, 5, 3_000_000])
def test_body_is_read_whole(shared, size):
    body = os.urandom(size)
    assert exchange(shared, "/echo", f"Content-Length: {size}", body=body, method="POST") == (200, body)


def test_chunked_body_is_read_whole(shared):
    body = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert exchange(shared, "/echo", "Transfer-Encoding: chunked", body=body, method="POST") == (200, b"abcde")


def test_write_comes_before_what_is_returned(shared):
    status, content = exchange(shared, "/write")
    assert (status, content.replace(b"\r\n", b" ")) == (200, b"9 written,  8 returned 0  ")


def test_error_is_a_500_and_in_the_log(server):
    assert exchange(server, "/error")[0] == 500
    wait_until(lambda: "RuntimeError: early" in server.log.read_text(), "the traceback")
    check_serves(server)


def test_error_in_a_stream_cuts_it(server):
    assert exchange(server, "/late_error") == (200, b"5\r\nfirst\r\n")  # no last chunk: RFC 9112 section 8
    wait_until(lambda: "RuntimeError: late" in server.log.read_text(), "the traceback")


def test_answer_does_not_wait_for_close(server, tmp_path):
    assert exchange(server, "/close_slowly") == (200, b"hello")
    assert not (tmp_path / "closed").exists()
    (tmp_path / "finish").touch()
    wait_until((tmp_path / "closed").exists, "close() to end")


def test_request_that_takes_long_does_not_hold_up_others(server, tmp_path):
    slow = connect(server, request("/wait", "Connection: close"))
    wait_until((tmp_path / "waits").exists, "the request to reach the app")
    check_serves(server)
    (tmp_path / "finish").touch()
    assert receive(slow) == (200, b"hello")


def test_websocket_is_refused(shared):
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    headers = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key]
    assert receive(connect(shared, request("/hello", *headers)))[0] == 403


# More of each than there are threads.


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HT",
        request("/echo", "Content-Length: 9", body=b"half", method="POST"),
        request("/endless"),
        request("/hello"),
    ],
    ids=["silent", "half a header", "half a body", "answer not taken", "kept open"],
)
def test_slow_clients_do_not_hold_up_others(server, data):
    clients = [connect(server, data) for _ in range(10 * THREADS)]
    for _ in range(10):
        check_serves(server)
    for client in clients:
        client.close()


def test_response_is_closed_after_its_client_left(server, tmp_path):
    clients = [connect(server, request("/endless")) for _ in range(10 * THREADS)]
    for client in clients:
        client.recv(100)
        client.close()
    wait_until(lambda: len(list(tmp_path.glob("closed-*"))) == len(clients), "close() of each")
    check_serves(server)
    closed = server.log.read_text().count("Error closing the response")  # by the worker, not by garbage collection
    assert closed == len(clients)


def test_body_that_stalls_is_a_408(server):
    stalled = connect(server, request("/echo", "Content-Length: 9", body=b"half", method="POST"))
    assert receive(stalled)[0] == 408


def test_killed_worker_is_replaced(server):
    worker = int(re.search(r"Booting worker with pid: (\d+)", server.log.read_text())[1])
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: server.log.read_text().count("Booting worker") == 2, "another worker")
    wait_until(server.listens, "it to listen")
    check_serves(server)
