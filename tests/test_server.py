"""gunicorn with the image's settings serves every kind of answer right: in a process, in both images, behind nginx."""

import contextlib
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from features import PIECE
from servers import ROOT

TIMES = 50
BIG = PIECE * 128


@pytest.fixture(params=["process", "runtime", "bare"])
def start(request, hardened):
    return starter(request, request.param, hardened)


@pytest.fixture(params=["process", "runtime", "bare", "compose"])
def features(request, hardened):
    if request.param == "compose":
        return request.getfixturevalue("compose")
    return starter(request, request.param, hardened)("features:app")


def starter(request, where, hardened):
    """Return a function that serves an app of tests/ with options of gunicorn: a process, or a hardened image."""
    if where == "process":
        gunicorn = request.getfixturevalue("gunicorn")
        return lambda app, *options: gunicorn(*options, app)
    serve, image = request.getfixturevalue("serve"), request.getfixturevalue(where)
    mounted = [*hardened, f"--volume={ROOT}/tests/features.py:/features.py:ro"]
    command = json.loads(request.getfixturevalue("docker")("image", "inspect", "-f", "{{json .Config.Cmd}}", image))
    return lambda app, *options: serve(image, *command, *options, app, options=mounted)


def repeat(check, times=TIMES):
    """Call `check` with each number, from eight threads; raise what the first failing one raised."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check, range(times)))


def test_static_file_of_1_MB_is_whole(features):
    def check(_):
        status, headers, body = features.request("/static/big")
        assert (status, headers["Content-Length"], body == BIG) == (200, str(len(BIG)), True)

    repeat(check)


def test_range_of_a_static_file(features):
    def check(number):
        first = number * 1000
        status, headers, body = features.request("/static/big", headers={"Range": f"bytes={first}-{first + 999}"})
        assert (status, body) == (206, BIG[first : first + 1000])
        assert headers["Content-Range"] == f"bytes {first}-{first + 999}/{len(BIG)}"

    repeat(check)


def test_stream_of_200_pieces_is_whole(features):
    repeat(lambda _: assert_body(features.request("/stream"), PIECE * 200))


def test_rows_of_sqlite_are_streamed(features):
    expected = "".join(f"{number}\n" for number in range(1, 1001)).encode()
    repeat(lambda _: assert_body(features.request("/rows"), expected))


def test_thread_local_is_the_users_own_while_the_answer_is_sent(features):
    repeat(lambda number: assert_body(features.request(f"/local?user=user-{number},"), b"user-%d," % number * 5))


def test_upload_of_2_MB(features):
    def check(number):
        file = os.urandom(2_000_000)
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = features.request("/upload", "POST", head + file + b"\r\n--x--\r\n", headers)
        assert_body(answer, hashlib.sha256(file).hexdigest().encode())

    repeat(check)


def test_server_sent_event_arrives_before_the_next_one_is_made(features):
    def check(_):
        name = uuid.uuid4()
        connection = features.connect()
        connection.request("GET", f"/events?id={name}")
        with contextlib.closing(connection), connection.getresponse() as answer:
            assert answer.readline() == b"data: first\n"
            for _ in range(20):  # one of them meets the replica that sends the events
                assert features.request(f"/events?id={name}", "POST")[0] == 204
            assert answer.read() == b"\ndata: second\n\n"

    repeat(check)


def test_error_in_mid_stream_is_not_taken_for_the_end(features):
    def check(_):
        with pytest.raises(http.client.IncompleteRead) as error:
            features.request("/error")
        assert error.value.partial == PIECE

    repeat(check)
    assert_body(features.request("/"), b"http")


def test_recycled_workers_lose_no_new_connection(start):
    server = start("features:app", "--max-requests=500")
    repeat(lambda _: assert_body(server.request("/"), b"http"), times=5000)
    assert server.log().count("Booting worker") > 5, server.log()[:3000]


def test_killed_worker_is_replaced(gunicorn):
    server = gunicorn("features:app")

    def booted():
        return re.findall(r"Booting worker with pid: (\d+)", server.log())

    os.kill(int(booted()[0]), signal.SIGKILL)
    server.wait(lambda: len(booted()) == 3, "a third worker")
    repeat(lambda _: assert_body(server.request("/"), b"http"))


def test_sigterm_lets_a_slow_request_finish(gunicorn, tmp_path):
    server = gunicorn("features:app")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.request, "/slow")
        server.wait((tmp_path / "confirmed-begun").exists, "the request to reach the app")
        server.process.send_signal(signal.SIGTERM)
        server.wait(lambda: "Handling signal: term" in server.log(), "the signal to reach gunicorn")
        (tmp_path / "confirmed-end").touch()
        assert_body(answer.result(), b"done")
    assert server.process.wait(20) == 0


def test_port_that_is_taken_ends_the_start(gunicorn):
    with socket.create_server(("0.0.0.0", 0)) as listener:
        server = gunicorn("features:app", wait=False, PORT=str(listener.getsockname()[1]))
        assert server.process.wait(10) != 0
    assert "in use" in server.log()


@pytest.mark.parametrize(("trusted", "scheme"), [("127.0.0.1", b"https"), ("10.0.0.0/8", b"http")])
def test_scheme_is_taken_from_a_trusted_proxy_alone(gunicorn, trusted, scheme):
    server = gunicorn("features:app", FORWARDED_ALLOW_IPS=trusted)
    assert_body(server.request("/", headers={"X-Forwarded-Proto": "https"}), scheme)


def assert_body(answer, expected):
    status, _, body = answer
    assert (status, body) == (200, expected)
