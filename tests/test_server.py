"""Every kind of answer comes whole through the image's settings: from both images, hardened, and from compose.yaml."""

import contextlib
import hashlib
import os
import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from features import FORM, PIECE, form
from project import ROOT
from servers import Container

COMMAND = ["gunicorn", "--config=/etc/gunicorn.conf.py", "features:app"]


def serve_features(image, *options):
    return Container(image, *COMMAND, options=[f"--volume={ROOT}/tests/features.py:/features.py:ro", *options])


@pytest.fixture(scope="module", params=["runtime", "bare", "compose"])
def features(request, hardened):
    if request.param == "compose":
        yield request.getfixturevalue("compose")
    else:
        with serve_features(request.getfixturevalue(request.param), *hardened) as server:
            yield server.wait_for_answer()


def repeat(check, times=16):
    """Call `check` with each number, from eight threads; raise what the first failing one raised."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check, range(times)))


@pytest.mark.parametrize(("path", "body"), [("/static/big", PIECE * 128), ("/stream", PIECE * 200)])
def test_answer_of_1_MB_is_whole(features, path, body):
    repeat(lambda _: assert_body(features.request(path), body))


def test_upload_of_2_MB_is_whole(features):
    def check(_):
        file = os.urandom(2_000_000)
        answer = features.request("/upload", "POST", form(file), FORM)
        assert_body(answer, hashlib.sha256(file).hexdigest().encode())

    repeat(check)


def test_server_sent_event_of_any_size_arrives_before_the_next_one_is_made(features):
    def check(_):
        name = uuid.uuid4()
        connection = features.connect()
        connection.request("GET", f"/events?id={name}")
        with contextlib.closing(connection), connection.getresponse() as answer:
            assert len(answer.readline()) == 100_007
            for _ in range(20):  # one of them meets the replica that sends the events
                assert features.request(f"/events?id={name}", "POST")[0] == 204
            assert answer.read() == b"\ndata: second\n\n"

    repeat(check)


def test_request_that_runs_at_sigterm_is_finished(docker, image, hardened):
    with serve_features(image, *hardened) as server, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.wait_for_answer().request, "/slow?id=slow")
        server.wait(lambda: "begun slow" in server.log(), "the request to reach the app")
        docker("kill", "--signal=TERM", server.id)
        server.wait(lambda: "Handling signal: term" in server.log(), "the signal to reach gunicorn")
        server.python("open('/tmp/confirmed-slow', 'w')")
        assert_body(answer.result(), b"done")
        server.wait(server.ended, "the end")
        assert server.inspect("{{.State.ExitCode}}") == "0", server.log()


def test_lines_that_32_threads_print_are_whole(image, hardened):
    with serve_features(image, *hardened) as server:
        server.wait_for_answer()
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(lambda _: server.request("/print"), range(64)))
        whole = r"printed \d+ whole|\S+ - - \[.*\] \"GET /\S* HTTP/1.\d\" \d+ \d+ \"-\" \"-\"|\[\d{4}-.*"
        server.wait(lambda: server.log().count("printed") == 64 * 200, "the engine to hand on all lines")
        assert [line for line in server.log().splitlines() if not re.fullmatch(whole, line)] == []


def assert_body(answer, expected):
    status, _, body = answer
    assert (status, body) == (200, expected)
