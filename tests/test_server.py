"""What docker/ decides: settings, bytecode and the probe, and that through them every kind of answer comes whole."""

import contextlib
import hashlib
import os
import re
import socket
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from features import FORM, PIECE, form
from gunicorn.config import KNOWN_SETTINGS
from project import HARDENED, ROOT
from servers import Container

SETTINGS = (ROOT / "docker/gunicorn.conf.py").read_text()


def test_every_name_in_the_settings_is_one_of_gunicorn():
    """gunicorn ignores a name that it does not know."""
    exec(SETTINGS, names := {})
    known = {setting.name for setting in KNOWN_SETTINGS} | {
        "flask",
        "gc",
        "gunicorn",
        "os",
        "port",
        "stream",
        "sys",
    }
    assert {name for name in names if not name.startswith("__")} - known == set()


def test_older_gunicorn_is_refused():
    code = f"import gunicorn; gunicorn.version_info = 26, 0, 0\n{SETTINGS}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (
        1,
        1,
    ) and "need 27.0.1 or newer" in done.stderr


def test_all_that_a_start_and_a_request_load_is_bytecode_checked_by_hash(image, serve):
    """slim ships none of the standard library, and the image's user can never write any."""
    server = serve(image, options=["--env=PYTHONVERBOSE=1", "--env=WEB_CONCURRENCY=1"])
    assert server.request("/healthz")[0] == 204
    loaded = set(re.findall(r"# code object from '?([^'\s]+)'?", server.log()))
    # The settings are no module: gunicorn compiles them.
    assert [
        path
        for path in loaded
        if path.endswith(".py") and path != "/etc/gunicorn.conf.py"
    ] == []
    assert len(loaded) > 200
    by_hash = "open(path, 'rb').read(8)[4] & 1"  # PEP 552
    assert (
        server.python(f"print([path for path in {sorted(loaded)!r} if not {by_hash}])")
        == "[]\n"
    )


ABORTS = """
import os, pathlib, runpy
library = pathlib.Path(os.__file__).parent
aborts = "import os; os.system('(sleep 60; touch /tmp/over) &'); os.abort()"
(library / "site-packages/blinker/__init__.py").write_text(aborts)
(bytecode,) = library.glob("__pycache__/selectors.*.pyc")  # which gunicorn imports
bytecode.unlink()
runpy.run_path("/bytecode.py")
print(bytecode.exists(), os.path.exists("/tmp/over"))
"""


def test_package_that_ends_its_import_is_named_and_neither_fails_nor_holds_up_a_build(
    docker, runtime
):
    volume = f"--volume={ROOT}/docker/bytecode.py:/bytecode.py:ro"
    said = docker("run", "--rm", "--user=0", volume, runtime, "python", "-c", ABORTS)
    assert '/blinker/__init__.py", line 1 in <module>\n' in said and said.endswith(
        "True False\n"
    )


@pytest.mark.parametrize(
    ("status", "alive"), [("204", True), ("404", True), ("500", False), (None, False)]
)
def test_probe_takes_any_answer_but_a_server_error_for_alive(status, alive):
    """None: the server never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        environment = os.environ | {"PORT": str(server.getsockname()[1])}
        command = [sys.executable, ROOT / "docker/probe.py"]
        with subprocess.Popen(
            command, env=environment, stderr=subprocess.DEVNULL
        ) as probe:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(100).startswith(b"GET /healthz ")
                connection.sendall(
                    f"HTTP/1.0 {status} x\r\n\r\n".encode() if status else b""
                )
                assert (probe.wait(60) == 0) is alive


COMMAND = ["gunicorn", "--config=/etc/gunicorn.conf.py", "features:app"]


def serve_features(image, *options):
    return Container(
        image,
        *COMMAND,
        options=[f"--volume={ROOT}/tests/features.py:/features.py:ro", *options],
    )


@pytest.fixture(scope="module", params=["runtime", "bare", "compose"])
def features(request):
    if request.param == "compose":
        yield request.getfixturevalue("compose")
    else:
        with serve_features(
            request.getfixturevalue(request.param), *HARDENED
        ) as server:
            yield server.wait_for_answer()


FILE = os.urandom(2_000_000)
EXCHANGES = {
    "static file": (["/static/big"], PIECE * 128),
    "stream": (["/stream"], PIECE * 200),
    "upload": (
        ["/upload", "POST", form(FILE), FORM],
        hashlib.sha256(FILE).hexdigest().encode(),
    ),
}


@pytest.mark.parametrize(("arguments", "expected"), EXCHANGES.values(), ids=EXCHANGES)
def test_large_bodies_are_whole(features, arguments, expected):
    with ThreadPoolExecutor(8) as pool:
        for status, _, body in pool.map(
            lambda _: features.request(*arguments), range(16)
        ):
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
        server.wait(
            lambda: "begun slow" in server.log(), "the request to reach the app"
        )
        docker("kill", "--signal=TERM", server.id)
        server.wait(
            lambda: "Handling signal: term" in server.log(),
            "the signal to reach gunicorn",
        )
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
        server.wait(
            lambda: server.log().count("printed") == 64 * 200,
            "the engine to hand on all lines",
        )
        assert [
            line for line in server.log().splitlines() if not re.fullmatch(whole, line)
        ] == []
