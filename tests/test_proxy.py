"""compose.yaml: honest clients get the app's answers, beside hostile ones too."""

import contextlib
import hashlib
import json
import os
import resource
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from features import FORM, form
from shell import run

# The bytes of a request's line and field, and of an answer's field.
SIZES = [
    (4094, 0, 0, 200),
    (4095, 0, 0, 414),
    (0, 8170, 0, 200),
    (0, 0, 16_000, 200),
]


@pytest.mark.parametrize(("line", "field", "answer", "status"), SIZES)
def test_header_that_gunicorn_takes_or_the_app_sends_is_passed_on(
    compose, line, field, answer, status
):
    path = f"/?bytes={answer}&"
    path += "a" * (line - len(f"GET {path} HTTP/1.1"))
    cookie = {"Cookie": "a" * (field - len("Cookie: "))}
    received, headers, _ = compose.request(path, headers=cookie)
    received = received, len(headers.get("X-Long", ""))
    assert received == (status, answer), compose.log()


def test_as_many_uploads_as_run_at_once_have_room_and_come_whole(compose):
    file = os.urandom(8 * 2**20 - 1000)
    digest, body = hashlib.sha256(file).hexdigest().encode(), form(file)

    def upload(_):
        return compose.request("/upload?seconds=2", "POST", body, FORM)[::2]

    with ThreadPoolExecutor(64) as pool:
        assert set(pool.map(upload, range(64))) == {(200, digest)}, compose.log()
    too_large = form(file + bytes(2000))
    assert compose.request("/upload", "POST", too_large, FORM)[0] == 413


# Run in the proxy's network: the engine's port reads ahead, and hides addresses.
INSIDE = """
import http.client, json, socket, time
def send(text):
    connection = socket.create_connection(("proxy", 8080))
    connection.sendall(text)
    return connection
def read(connection):
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.read()
"""


def inside(compose, code):
    options = ["--rm", "--no-deps", "--no-TTY"]
    return compose.compose("run", *options, "app", "python", "-c", INSIDE + code)


PAUSES = """
half_header = send(b"GET / HTTP/1.1\\r\\n")
host = b"Host: a\\r\\n"
half_body = send(
    b"POST /upload HTTP/1.1\\r\\n" + host + b"Content-Length: 2\\r\\n\\r\\na"
)
reader = send(b"GET /stream?pieces=4000 HTTP/1.1\\r\\n" + host + b"\\r\\n")
time.sleep(15)
half_header.sendall(host + b"\\r\\n")
half_body.sendall(b"a")
print(b'"scheme":"http"' in read(half_header))
print(b"Bad Request" in read(half_body))
print(len(read(reader)))
"""


def test_client_that_pauses_is_served_whole(compose):
    """For 15 s: so long nginx waits for a client at 20 kB/s, as buffers take 1.3 MB."""
    assert inside(compose, PAUSES) == "True\nTrue\n32768000\n"


ADDRESSES = """
for family in socket.AF_INET, socket.AF_INET6:
    address = socket.getaddrinfo("proxy", 8080, family)[0][4][0]
    connection = http.client.HTTPConnection(address, 8080)
    connection.request("GET", "/")
    own = connection.sock.getsockname()[0]
    headers = json.load(connection.getresponse())
    print(headers["X-Forwarded-For"] == headers["X-Real-Ip"] == own)
"""


def test_address_of_a_client_reaches_the_app_by_either_family(compose):
    assert inside(compose, ADDRESSES) == "True\nTrue\n"


def test_scheme_address_and_host_are_the_proxys_and_not_what_the_client_says(compose):
    names = "X-Forwarded-For X-Forwarded-Host X-Forwarded-Port X-Forwarded-Prefix"
    forged = dict.fromkeys(f"{names} X-Real-Ip Forwarded".split(), "forged")
    forged |= {"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "on"}
    forged |= {"X-Forwarded-Protocol": "ssl"}
    headers = json.loads(compose.request(headers=forged)[2])
    assert headers["scheme"] == "http"
    assert headers["X-Forwarded-Host"] == headers["Host"] == f"127.0.0.1:{compose.port}"
    assert set(forged.values()) & set(headers.values()) == set()


def test_websocket_is_passed_on_and_no_other_upgrade(compose):
    upgrade = {"Connection": "Upgrade"}
    # Flask's answer to a WebSocket at the path of a page.
    assert compose.request(headers=upgrade | {"Upgrade": "websocket"})[0] == 400
    headers = json.loads(compose.request(headers=upgrade | {"Upgrade": "h2c"})[2])
    assert "Upgrade" not in headers


def test_2500_slow_clients_fail_nobody_where_the_soft_limit_of_files_is_1024(compose):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 10_000), hard))
    with contextlib.ExitStack() as stack:
        for _ in range(2500):
            slow = socket.create_connection(("127.0.0.1", compose.port), 10)
            stack.enter_context(slow)
            slow.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        assert compose.request()[0] == 200, compose.log()
    assert "Too many open files" not in compose.log()


def test_request_that_takes_longer_than_nginx_waits_runs_once(compose):
    name = uuid.uuid4()
    assert compose.request(f"/events/{name}")[0] == 504
    assert compose.compose("logs").count(f"begun {name}") == 1


def test_logs_are_rotated(compose):
    """The engine's default driver keeps a log for ever."""
    for container in compose.compose("ps", "--quiet", "app", "proxy").split():
        log = run("docker", "inspect", "--format={{.HostConfig.LogConfig}}", container)
        assert "local" in log
