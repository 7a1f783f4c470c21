"""Every kind of answer comes whole through the image's settings: from both images, hardened, and from compose.yaml."""

import contextlib
import hashlib
import os
import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from features import FORM, PIECE, form
from project import HARDENED, ROOT
from servers import Container

COMMAND = ["gunicorn", "--config=/etc/gunicorn.conf.py", "features:app"]


def serve_features(image, *options):
    return Container(image, *COMMAND, options=[f"--volume={ROOT}/tests/features.py:/features.py:ro", *options])


@pytest.fixture(scope="module", params=["runtime", "bare", "compose"])
def features(request):
    if request.param == "compose":
        yield request.getfixturevalue("compose")
    else:
        with serve_features(request.getfixturevalue(request.param), *HARDENED) as server:
            yield server.wait_for_answer()


FILE = os.urandom(2_000_000)
EXCHANGES = {
    "static file": (["/static/big"], PIECE * 128),
    "stream": (["/stream"], PIECE * 200),
    "upload": (["/upload", "POST", form(FILE), FORM], hashlib.sha256(FILE).hexdigest().encode()),
}


@pytest.mark.parametrize(("arguments", "expected"), EXCHANGES.values(), ids=EXCHANGES)
def test_large_bodies_are_whole(features, arguments, expected):
    with ThreadPoolExecutor(8) as pool:
        for status, _, body in pool.map(lambda _: features.request(*arguments), range(16)):
            assert (status, body) == (200, expected)


def test_server_sent_event_of_any_size_arrives_before_the_next_one_is_made(features):
    def check(_):
        name = uuid.uuid4()
        connection = features.connect()
        connection.request("GET", f"/events/{name}?bytes=100000")
        with contextlib.closing(connection), connection.getresponse() as answer:
            assert answer.read(100_000) == b"a" * 100_000
            for _ in range(20):  # one of them meets the replica that sends the events
                assert features.request(f"/events/{name}", "POST")[0] == 204
            assert answer.read() == b"done"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check, range(16)))


def test_request_that_runs_at_sigterm_is_finished(docker, image):
    with serve_features(image, *HARDENED) as server, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.wait_for_answer().request, "/events/slow")
        server.wait(lambda: "begun slow" in server.log(), "the request to reach the app")
        docker("kill", "--signal=TERM", server.id)
        server.wait(lambda: "Handling signal: term" in server.log(), "the signal to reach gunicorn")
        server.python("open('/tmp/confirmed-slow', 'w')")
        assert answer.result()[2] == b"done"
        server.wait(server.ended, "the end")
        assert server.inspect("{{.State.ExitCode}}") == "0", server.log()


def test_lines_that_32_threads_print_are_whole(image):
    with serve_features(image, *HARDENED) as server:
        server.wait_for_answer()
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(lambda _: server.request("/print"), range(64)))
        whole = r"printed \d+ whole|\S+ - - \[.*\] \"GET /\S* HTTP/1.\d\" \d+ \d+ \"-\" \"-\"|\[\d{4}-.*"
        server.wait(lambda: server.log().count("printed") == 64 * 200, "the engine to hand on all lines")
        assert [line for line in server.log().splitlines() if not re.fullmatch(whole, line)] == []
