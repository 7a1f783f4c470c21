"""What docker/ decides: settings, bytecode, the probe; every answer comes whole."""

import concurrent.futures
import contextlib
import re
import socket
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import gunicorn
import pytest
from gunicorn.config import KNOWN_SETTINGS
from readme import HARDENED
from shell import ROOT

SETTINGS = (ROOT / "docker/gunicorn.conf.py").read_text()


def test_every_name_in_the_settings_is_one_of_gunicorn():
    """gunicorn ignores a name that it does not know."""
    exec(SETTINGS, names := {})
    modules = {"contextlib", "flask", "gc", "gunicorn", "logging", "os", "socket"}
    modules |= {"sys", "threading"}
    own = {"LastingLogger", "name", "port", "stop_reading", "stream"}
    own |= {"__builtins__", "__doc__"}
    settings = {setting.name for setting in KNOWN_SETTINGS}
    assert names.keys() - settings - modules - own == set()


def test_older_gunicorn_is_refused(monkeypatch):
    monkeypatch.setattr(gunicorn, "version_info", (26, 0, 0))
    with pytest.raises(SystemExit, match=r"need 27\.0\.1 or newer"):
        exec(SETTINGS, {})


def test_what_a_start_and_a_request_load_is_bytecode(image, serve):
    """slim has no bytecode of the library, and the image's user can write none."""
    server = serve(image, options=["--env=PYTHONVERBOSE=1", "--env=WEB_CONCURRENCY=1"])
    assert server.request("/healthz")[0] == 204
    loaded = set(re.findall(r"# code object from '?([^'\s]+)'?", server.log()))
    loaded.discard("/etc/gunicorn.conf.py")  # no module: gunicorn compiles it
    assert [path for path in loaded if path.endswith(".py")] == []
    assert len(loaded) > 200


ABORT = """
cd /usr/local/lib/python3.14
echo 'import os; os.abort()' > site-packages/blinker/__init__.py
rm __pycache__/ssl.*  # which gunicorn imports
python /bytecode.py 2>&1
ls __pycache__/ssl.*
"""


def test_package_that_ends_its_import_is_named_and_does_not_end_a_build(
    docker, runtime
):
    options = [
        "--rm",
        "--user=0",
        f"--volume={ROOT}/docker/bytecode.py:/bytecode.py:ro",
    ]
    output = docker("run", *options, runtime, "sh", "-ec", ABORT)
    assert '/blinker/__init__.py", line 1 in <module>\n' in output


STATUSES = {
    b"HTTP/1.0 204 x\n": True,
    b"HTTP/1.0 404 x\n": True,
    b"HTTP/1.0 500 x\n": False,
    b"": False,  # it never answers
}


@pytest.mark.parametrize(("status", "alive"), STATUSES.items())
def test_probe_takes_any_answer_but_a_server_error_for_alive(status, alive):
    command = [sys.executable, ROOT / "docker/probe.py"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        port = {"PORT": str(server.getsockname()[1])}
        with subprocess.Popen(command, env=port, stderr=subprocess.DEVNULL) as probe:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(100).startswith(b"GET /healthz ")
                connection.sendall(status)
                assert (probe.wait(60) == 0) is alive


def test_app_below_a_path_is_healthy(image, serve):
    options = ["--env=SCRIPT_NAME=/shop"]
    serve(image, options=options, wait=False).wait_for_health()


@pytest.fixture
def serve_features(serve):
    """A function that runs features.py in an image, hardened."""
    volume = f"--volume={ROOT}/tests/features.py:/features.py:ro"
    gunicorn = ["gunicorn", "--config=/etc/gunicorn.conf.py"]

    def start(image, *options, app="features:app"):
        return serve(image, *gunicorn, app, options=[volume, *HARDENED, *options])

    return start


@pytest.fixture(params=["runtime", "bare", "compose"])
def features(request, serve_features):
    server = request.getfixturevalue(request.param)
    return server if request.param == "compose" else serve_features(server)


UPLOAD = bytes(3_000_000)


def test_answer_that_comes_before_an_upload_is_read_arrives(features):
    def post(_):
        with contextlib.closing(features.connect()) as connection:
            connection.request("POST", "/", UPLOAD)
            with connection.getresponse() as answer:
                answer.read()
            connection.request("GET", "/")  # on the same connection
            return answer.status, connection.getresponse().status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(post, range(100))) == {(405, 200)}, features.log()


def begin_upload(server):
    """Return a connection that has sent a tenth of a body, and has the answer."""
    connection = server.connect()
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders(bytes(100_000))
    with connection.getresponse() as answer:
        answer.read()
    return connection


def test_slow_upload_that_is_answered_early_holds_no_thread(serve_features, runtime):
    server = serve_features(runtime, "--env=WEB_CONCURRENCY=1")
    slow = [begin_upload(server) for _ in range(16)]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.request)
        while not answer.done():
            for connection in slow:  # byte by byte
                with contextlib.suppress(OSError):
                    connection.send(b"x")
            concurrent.futures.wait([answer], 0.2)
    assert answer.result()[0] == 200
    for connection in slow:
        connection.close()


def test_server_sent_event_of_any_size_arrives_before_the_next_one_is_made(features):
    def check_events(_):
        name = uuid.uuid4()
        connection = features.connect()
        connection.request("GET", f"/events/{name}?bytes=100000")
        with contextlib.closing(connection), connection.getresponse() as answer:
            assert answer.read(100_000) == b"a" * 100_000
            for _ in range(20):  # one of them meets the replica that sends the events
                assert features.request(f"/events/{name}", "POST")[0] == 204
            assert answer.read() == b"done"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check_events, range(16)))


def test_request_that_runs_at_sigterm_is_finished(serve_features, image):
    server = serve_features(image)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.request, "/events/slow")
        server.wait(lambda: "begun slow" in server.log(), "the request began")
        server.docker("kill", "--signal=TERM")
        server.wait(lambda: "Handling signal: term" in server.log(), "the signal")
        server.python("open('/tmp/confirmed-slow', 'w')")
        assert answer.result()[2] == b"done"
    server.wait(server.ended, "its end")
    assert server.inspect("{{.State.ExitCode}}") == "0", server.log()


def test_lines_that_32_threads_print_are_whole(serve_features, image):
    server = serve_features(image)
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda _: server.request("/print"), range(64)))
    server.wait(lambda: server.log().count("printed") == 64 * 200, "all lines came")
    access = r'\S+ - - \[.*\] "GET /\S* HTTP/1.\d" \d+ \d+ "-" "-"'
    whole = rf"printed \d+ whole|{access}|\[\d{{4}}-.*"
    lines = server.log().splitlines()
    assert [line for line in lines if not re.fullmatch(whole, line)] == []


def test_app_that_configures_logging_leaves_gunicorns_on(serve_features, image):
    """dictConfig disables all loggers by default: with --preload, in each process."""
    preload = "--env=GUNICORN_CMD_ARGS=--preload"
    server = serve_features(image, preload, app="features:configured()")
    assert server.request("/garbage", "BAD(METHOD)")[0] == 400
    server.docker("kill", "--signal=TTIN")  # the first process logs that
    for line in '"GET / ', "Invalid request ", "Handling signal: ttin":
        server.wait(lambda line=line: line in server.log(), f"the log had {line}")
