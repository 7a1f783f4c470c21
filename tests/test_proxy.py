"""compose.yaml: honest clients get what the app gives them, and what hostile ones do holds nobody up."""

import contextlib
import json
import resource
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from features import FORM, form

HEADERS = [(4094, 0, 0, 200), (4095, 0, 0, 414), (0, 8170, 0, 200), (0, 0, 16_000, 200)]


@pytest.mark.parametrize(("line", "field", "answer", "status"), HEADERS)
def test_header_that_gunicorn_takes_or_the_app_sends_is_passed_on(compose, line, field, answer, status):
    path = f"/?bytes={answer}&"
    path += "a" * (line - len(f"GET {path} HTTP/1.1"))
    got, headers, _ = compose.request(path, headers={"Cookie": "a" * (field - len("Cookie: "))})
    assert (got, len(headers.get("X-Long", ""))) == (status, answer), compose.log()


def test_as_many_uploads_as_run_at_once_have_room(compose):
    body = form(bytes(8 * 2**20 - 1000))
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda _: compose.request("/upload?seconds=2", "POST", body, FORM)[0], range(64)))
    assert answers == [200] * 64, compose.log()
    assert compose.request("/upload", "POST", body + bytes(2000), FORM)[0] == 413


# In the proxy's network, because the engine's port reads ahead, and hides a client's address and who is slow.
INSIDE = """
import http.client, json, socket, time
def send(text, family=socket.AF_INET):
    connection = socket.socket(family)
    connection.connect(socket.getaddrinfo("proxy", 8080, family)[0][4])
    connection.sendall(text)
    return connection
def read(connection):
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.read()
"""


def inside(compose, code):
    return compose.compose("run", "--rm", "--no-deps", "--no-TTY", "app", "python", "-c", INSIDE + code)


PAUSES = """
half_header = send(b"GET / HTTP/1.1\\r\\n")
half_body = send(b"POST /upload HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 2\\r\\n\\r\\na")
reader = send(b"GET /stream?pieces=4000 HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
time.sleep(15)
half_header.sendall(b"Host: a\\r\\n\\r\\n")
half_body.sendall(b"a")
print(b'"scheme":"http"' in read(half_header), b"Bad Request" in read(half_body), len(read(reader)))
"""


def test_client_that_pauses_is_served_whole(compose):
    """For 15 s: a client at 20 kB/s leaves nginx waiting so long, as the buffers in between take 1.3 MB at once."""
    assert inside(compose, PAUSES) == "True True 32768000\n"


ADDRESSES = """
for family in socket.AF_INET, socket.AF_INET6:
    connection = send(b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n", family)
    print(json.loads(read(connection))["X-Forwarded-For"] == connection.getsockname()[0])
"""


def test_address_of_a_client_reaches_the_app_by_either_family(compose):
    assert inside(compose, ADDRESSES) == "True\nTrue\n"


def test_scheme_address_and_host_are_the_proxys_and_not_what_the_client_says(compose):
    said = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.9.8.7", "X-Forwarded-Host": "10.9.8.7"}
    said |= {"X-Forwarded-Ssl": "on", "X-Forwarded-Protocol": "ssl"}
    headers = json.loads(compose.request(headers=said)[2])
    assert headers["scheme"] == "http"
    assert headers["X-Forwarded-Host"] == headers["Host"] == f"127.0.0.1:{compose.port}"
    assert {"10.9.8.7", "on", "ssl"} & set(headers.values()) == set()


def test_websocket_is_passed_on_and_no_other_upgrade(compose):
    websocket, other = ({"Upgrade": name, "Connection": "Upgrade"} for name in ("websocket", "h2c"))
    assert compose.request(headers=websocket)[0] == 400  # Flask's, for a WebSocket at the path of a page
    assert "Upgrade" not in json.loads(compose.request(headers=other)[2])


def test_2500_slow_clients_fail_no_other_where_the_soft_limit_of_files_is_1024(compose):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 10_000), hard))
    with contextlib.ExitStack() as stack:
        for _ in range(2500):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", compose.port), 10))
            slow.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        assert compose.request()[0] == 200, compose.log()
    assert "Too many open files" not in compose.log()


def test_request_that_takes_longer_than_nginx_waits_runs_once(compose):
    name = uuid.uuid4()
    assert compose.request(f"/events/{name}")[0] == 504
    assert compose.compose("logs").count(f"begun {name}") == 1
