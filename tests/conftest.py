"""Fixtures: client, wheel, gunicorn, image, container, and what the server and the image have in common."""

import contextlib
import functools
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hello_app import create_app

ROOT = Path(__file__).parent.parent

# What the README has of `docker run`.
HARDENED = "--read-only --cap-drop ALL --security-opt no-new-privileges --pids-limit 64 --memory 128m"


@pytest.fixture
def client():
    return create_app().test_client()


def run(*command, **options):
    """Return the finished process of `command`, with its output as text; fail when its status is not 0."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}", pytrace=False)
    return done


def build_wheel(source, out):
    """Build the wheel of the tree `source` as the application stage does, and return its path in `out`."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source]
    run(*command, env=os.environ | {"SOURCE_DATE_EPOCH": "315532800"})
    return next(out.glob("*.whl"))


def copy_source(to):
    """Copy what is to be built, and return the copy's path."""
    ignore = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache")
    return shutil.copytree(ROOT, to, ignore=ignore)


@pytest.fixture
def source(tmp_path):
    """A copy of the project, to change."""
    return copy_source(tmp_path / "source")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


def wait_until(condition, what, seconds=30):
    """Return the first true value of `condition()`; fail, naming `what`, when there was none for so long."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s for {what}", pytrace=False)
        time.sleep(0.02)
    return value


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def port_8080():
    """The port that the project's commands name."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 8080)) == 0:
            pytest.fail("port 8080 is taken: stop what listens there, and run the tests again", pytrace=False)
    return 8080


class Server:
    """What answers HTTP on a port of this machine."""

    def __init__(self, port):
        self.port = port

    def request(self, method="GET", path="/"):
        """Return the answer's status, headers and body; raise OSError when there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def answers(self):
        try:
            return self.request(path="/healthz")[0] == 204
        except (OSError, http.client.HTTPException):
            return False


@pytest.fixture(scope="session")
def python(wheel, tmp_path_factory):
    """The Python of a fresh virtual environment, with the built wheel and the locked ones, and no network."""
    wheels = tmp_path_factory.mktemp("wheels")
    lock = ROOT / "requirements/runtime.txt"
    run(sys.executable, "-m", "pip", "wheel", "--require-hashes", "--requirement", lock, "--wheel-dir", wheels)
    venv = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", venv)
    python = venv / "bin/python"
    run(python, "-m", "pip", "--isolated", "install", "--no-index", *wheels.glob("*.whl"), wheel)
    return python


class Gunicorn(Server):
    """The started command, in an empty folder, with its log in one file."""

    def __init__(self, python, folder, *arguments, **variables):
        super().__init__(free_port())
        self.log = folder / "log"
        command = [python, "-m", "hello_app.server", *arguments]
        environment = os.environ | {"PORT": str(self.port)} | variables
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)

    def listens(self):
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextlib.contextmanager
def gunicorns(python):
    """A function that starts gunicorn in a folder, with arguments and variables, and returns it when it listens."""
    started = []

    def start(folder, *arguments, **variables):
        server = Gunicorn(python, folder, *arguments, **variables)
        started.append(server.process)
        wait_until(server.listens, "gunicorn to listen")
        return server

    try:
        yield start
    finally:
        for process in started:
            process.terminate()
            process.wait(20)


@pytest.fixture
def gunicorn(python, tmp_path):
    """A function that starts gunicorn with arguments and variables, and returns it when it listens."""
    with gunicorns(python) as start:
        yield functools.partial(start, tmp_path)


def exchange(*values):
    return pytest.param(*values, id=f"{values[0]} {values[1]}")


# Method, path; status, headers that the answer must have, and its body, or None for any.
EXCHANGES = [
    exchange("GET", "/", 200, {"Content-Type": "text/plain; charset=utf-8", "Content-Length": "12"}, b"Hello world!"),
    exchange("HEAD", "/", 200, {"Content-Type": "text/plain; charset=utf-8", "Content-Length": "12"}, b""),
    exchange("GET", "/healthz", 204, {"Content-Length": None}, b""),
    exchange("GET", "/nothing", 404, {}, None),
    exchange("HEAD", "/nothing", 404, {}, b""),
    exchange("POST", "/", 405, {"Allow": {"GET", "HEAD", "OPTIONS"}}, None),
    exchange("DELETE", "/healthz", 405, {"Allow": {"GET", "HEAD", "OPTIONS"}}, None),
]


def check_answer(answer, status, headers, body):
    """Compare an answer's status, headers and body with an exchange's."""
    got_status, got_headers, got_body = answer
    assert got_status == status
    for name, value in headers.items():
        got = got_headers.get(name)
        assert (set(got.split(", ")) if isinstance(value, set) else got) == value
    assert body is None or got_body == body


# A variable, a value that it does not take, and what the one line must say.
BAD_SETTINGS = [
    ("PORT", "abc", "1 to 65535"),
    ("PORT", "0", "1 to 65535"),
    ("PORT", "99999", "1 to 65535"),
    ("PORT", "-1", "1 to 65535"),
    ("WEB_CONCURRENCY", "x", "1 to 1000"),
    ("WEB_CONCURRENCY", "0", "1 to 1000"),
    ("WEB_CONCURRENCY", "2.5", "1 to 1000"),
    ("FORWARDED_ALLOW_IPS", "proxy", "IP addresses"),
    ("GUNICORN_CMD_ARGS", "--no-such-option", "options of gunicorn"),
    ("GUNICORN_CMD_ARGS", "--timeout=-1", "options of gunicorn"),
]


def check_refusal(done, variable, value, expected):
    """Check that a start ended by itself, with one line that names the variable and what it takes."""
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith(f"{variable}={value!r}: ")
    assert expected in done.stderr


@pytest.fixture(scope="session")
def docker():
    """A function that runs a docker command and returns the finished process; skips where no Docker Engine answers."""
    if not shutil.which("docker") or subprocess.run(["docker", "version"], capture_output=True).returncode:
        if os.environ.get("REQUIRE_DOCKER"):
            pytest.fail("REQUIRE_DOCKER is set, and no Docker Engine answers", pytrace=False)
        pytest.skip("no Docker Engine answers")
    return lambda *arguments, **options: run("docker", *arguments, **options)


@pytest.fixture(scope="session")
def runtime(docker):
    """The name of the image that `docker build` makes, built with the users' own command."""
    docker("build", "-t", "hello", ".", cwd=ROOT)
    return "hello:latest"


@pytest.fixture(scope="session")
def bare(docker):
    """The name of the image from scratch, built with the users' own command."""
    docker("build", "--target", "bare", "-t", "hello:bare", ".", cwd=ROOT)
    return "hello:bare"


@pytest.fixture(scope="session", params=["runtime", "bare"])
def image(request):
    """The name of an image: the contract holds for both."""
    return request.getfixturevalue(request.param)


class Container(Server):
    """A running container of the image, with its port published on a free one of this machine."""

    def __init__(self, docker, image, *options, port=8080):
        self.docker = docker
        self.id = docker("run", "--detach", f"--publish=127.0.0.1::{port}", *options, image).stdout.strip()
        try:
            super().__init__(int(docker("port", self.id, str(port)).stdout.rpartition(":")[2]))
            wait_until(self.answers, f"an answer of the container:\n{self.logs()}")
        except BaseException:
            self.remove()
            raise

    def logs(self):
        """Return all of stdout and stderr so far."""
        done = self.docker("logs", self.id)
        return done.stdout + done.stderr

    def inspect(self, template):
        return self.docker("inspect", "--format", template, self.id).stdout.strip()

    def python(self, code):
        """Return what `code` prints when the container's own user runs it."""
        return self.docker("exec", self.id, "python", "-c", code).stdout

    def remove(self):
        self.docker("rm", "--force", "--volumes", self.id)


@pytest.fixture(scope="session")
def containers(docker, image):
    """A function that runs the image with options of `docker run`, and returns the container when it answers."""
    running = []

    def start(*options, **keywords):
        running.append(Container(docker, image, *options, **keywords))
        return running[-1]

    yield start
    for container in running:
        container.remove()


@pytest.fixture(scope="session")
def container(containers):
    """One container, run with no options, for the tests that only look."""
    return containers()
