"""compose.yaml: what the proxy keeps from the replicas, and what is lost when they are replaced or gone."""

import contextlib
import json
import socket

import pytest

SOCKETS = 200
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
# What each of them sends.
SLOW = {
    "silent": b"",
    "half a header": GET[:-4],
    "a byte a second": b"G",
    "half a body": b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n" + b"x" * 35000,
    "answered and kept open": GET,
    "a line of garbage": b"\x16\x03\x01 garbage\r\n",
    "does not read 1 MB": GET.replace(b" /", b" /static/big"),
}


@pytest.mark.parametrize("kind", SLOW)
def test_slow_clients_fail_no_other(compose, kind):
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", compose.port), 10)) for _ in range(SOCKETS)]
        for each in slow:
            each.sendall(SLOW[kind])
        for number in range(100):
            if kind == "a byte a second" and number % 25 == 0:
                for each in slow:
                    each.sendall(b"E")
            assert compose.request()[0] == 200, compose.log()


def test_scheme_address_and_host_are_the_proxys_and_not_what_the_client_says(compose):
    said = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.9.8.7", "X-Forwarded-Host": "10.9.8.7"}
    assert compose.request("/", headers=said)[2] == b"http"
    headers = json.loads(compose.request("/headers", headers=said)[2])
    assert headers["X-Forwarded-Host"] == headers["Host"] == f"127.0.0.1:{compose.port}"
    assert "10.9.8.7" not in headers.values()


def test_websocket_is_passed_on_and_no_other_upgrade(compose):
    asked = compose.request("/headers", headers={"Upgrade": "websocket", "Connection": "Upgrade"})
    assert asked[0] == 400  # Flask's answer to a WebSocket at the path of a page
    asked = compose.request("/headers", headers={"Upgrade": "h2c", "Connection": "Upgrade"})
    assert "Upgrade" not in json.loads(asked[2])


def test_proxy_can_write_to_tmp_alone(compose):
    assert compose.compose("exec", "proxy", "id", "-u") == "101\n"
    assert "Read-only file system" in compose.compose("exec", "proxy", "sh", "-c", "touch /etc/x 2>&1; touch /tmp/x")
