"""Wrong and rare HTTP at the proxy's port: what the settings decide, or proxy and server could read differently."""

import contextlib
import re
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /upload HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
CLOSE = b"Connection: close\r\n\r\n"

# What, its section, the request, and the status of each answer.
CASES = [
    ("line too long", "9110 15.5.15", b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\n" + CLOSE, [414]),
    ("field too long", "9110 5.4", GET + b"X: " + b"a" * 5000 + b"\r\n" + CLOSE, [400]),
    ("too many fields", "9110 5.4", GET + b"X: a\r\n" * 2000 + CLOSE, [400]),
    ("body too long", "9110 15.5.14", POST + b"Content-Length: 9000000\r\n" + CLOSE, [413]),
    ("no Host", "9112 3.2", b"GET / HTTP/1.1\r\n" + CLOSE, [400]),
    ("two Hosts", "9112 3.2", GET + b"Host: b\r\n" + CLOSE, [400]),
    ("invalid Host", "9112 3.2", b"GET / HTTP/1.1\r\nHost: a/b\r\n" + CLOSE, [400]),
    ("Content-Length and chunked", "9112 6.1", CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n", [400]),
    ("two Content-Lengths", "9112 6.3", POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", [400]),
    ("signed Content-Length", "9110 8.6", POST + b"Content-Length: +1\r\n\r\na", [400]),
    ("bare LF", "9112 2.2", b"GET / HTTP/1.1\nHost: a\nConnection: close\n\n", [200]),
    ("NUL", "9110 5.5", GET + b"X: a\0b\r\n" + CLOSE, [400]),
    ("obs-fold", "9112 5.2", GET + b"X: a\r\n b\r\n" + CLOSE, [400]),
    ("bad chunk", "9112 7.1", CHUNKED + b"\r\nzz\r\nab\r\n0\r\n\r\n", [400]),
    ("HTTP/1.0", "9112 9.3", b"GET / HTTP/1.0\r\n\r\n", [200]),
    ("two on one connection", "9112 9.3.2", GET + b"\r\n" + GET + CLOSE, [200, 200]),
]


def exchange(server, request, end=True):
    """Send a request, close the sending half if this is its end (RFC 9112 9.6), and return all that comes."""
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        connection.sendall(request)
        if end:
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):  # it answered before it had read all
            while piece := connection.recv(65536):
                received += piece
    return received


@pytest.mark.parametrize(("what", "section", "request_", "statuses"), CASES, ids=[case[0] for case in CASES])
def test_wrong_http(compose, what, section, request_, statuses):
    received = exchange(compose, request_)
    answers = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]
    assert answers == statuses, f"RFC {section}: {received}\n{compose.log()[-2000:]}"


def test_half_a_request_is_cut_off_after_ten_seconds(compose):
    """RFC 9110 15.5.9: without an answer, as 408 is for a client that waits for one."""
    halves = [GET, POST + b"Content-Length: 9\r\n\r\nabc"]
    with ThreadPoolExecutor() as pool:
        assert [*pool.map(lambda half: exchange(compose, half, end=False), halves)] == [b"", b""]


INNER = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: %d\r\n\r\n" % len(INNER),
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(INNER),
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\nContent-Length: %d\r\n\r\n" % len(INNER),
        b"Transfer-Encoding : chunked\r\nContent-Length: %d\r\n\r\n" % len(INNER),
        b"Transfer_Encoding: chunked\r\nContent-Length: %d\r\n\r\n" % len(INNER),
    ],
)
def test_proxy_and_server_agree_where_a_request_ends(compose, head):
    """What looks like a second request inside a body is not one (RFC 9112 11.2)."""
    exchange(compose, b"POST / HTTP/1.1\r\nHost: a\r\n" + head + INNER)
    compose.request("/agreed")  # what comes after it is answered too
    assert "/smuggled" not in compose.log()
