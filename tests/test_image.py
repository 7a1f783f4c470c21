"""The contract of an image, seen from outside: each test is a claim, and says in one line what breaks it.

Run alone against any image: make test-image IMAGE=name.
"""

import io
import re
import subprocess
import tarfile
import uuid
from fnmatch import fnmatch

import pytest
from servers import members


def some(found):
    """Return the first of what was found, as one line."""
    return ", ".join(map(str, found[:5])) + (f" and {len(found) - 5} more" if len(found) > 5 else "")


@pytest.fixture
def start(serve, container, image, given, port):
    """A function that runs the image with more options; nothing to run where it does not answer with those given."""
    return lambda options=(), **more: serve(image, options=[*given, *options], **{"port": port} | more)


@pytest.fixture
def gunicorn_alone(container):
    """Skip where what is tested are gunicorn's settings, and another server runs."""
    if "gunicorn" not in container.processes()[0]:
        pytest.skip(f"PID 1 is not gunicorn: {container.processes()[0]}")


@pytest.fixture(scope="module")
def user(config, archive):
    """The numbers of the user and its group, and its line of /etc/passwd if it has one."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        has_users = "etc/passwd" in tar.getnames()
        lines = tar.extractfile("etc/passwd").read().decode().splitlines() if has_users else []
    name, _, group = (config["User"] or "0:0").partition(":")
    found = next((line.split(":") for line in lines if name in line.split(":")[0:3:2]), None)
    numbers = found[2:4] if found else [name, group if group.isdigit() else "0"]
    return int(numbers[0]), int(group if group.isdigit() else numbers[1]), found


# Answer


def test_path_is_answered(container, path):
    status = container.request(path)[0]
    assert 200 <= status < 400, f"GET {path} is {status}"
    head = container.request(path, "HEAD")
    assert (head[0], head[2]) == (status, b""), f"HEAD {path} is {head[0]} and {len(head[2])} bytes, GET is {status}"


def test_unknown_path_and_method_are_no_server_error(container, path):
    for method, target in (("GET", f"/{uuid.uuid4()}"), ("BREW", path)):
        status = container.request(target, method)[0]
        assert 400 <= status < 500, f"{method} {target} is {status}"


# Process


def test_pid_1_is_gunicorn(container):
    first = container.processes()[0]
    assert re.match(r"\S*(python\S* )?\S*gunicorn\b", first), f"PID 1 is {first}"


def test_docker_stop_is_graceful(docker, start, hardened):
    server = start(hardened)
    docker("stop", server.id)  # after 10 s it is killed, and the status is 137
    status = server.inspect("{{.State.ExitCode}}")
    assert status == "0", f"the status is {status} after docker stop"


def test_port_that_is_not_allowed_ends_the_start(start):
    options = ["--env=PORT=80", "--sysctl=net.ipv4.ip_unprivileged_port_start=1024", "--cap-drop=ALL"]
    server = start(options, wait=False)
    server.wait(server.ended, "the start to end with PORT=80, which it may not bind", 10)
    assert server.inspect("{{.State.ExitCode}}") != "0", "the status is 0"


# User


def test_user_is_numeric_and_not_root(config):
    user = config["User"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), f"USER is {user!r}, expected numbers as in 10001:10001"


def test_user_has_a_name(user):
    assert user[2], f"user {user[0]} is not in /etc/passwd"


def test_user_can_write_to_tmp_and_its_volumes_alone(container, files, user):
    assert user[0], "root can write everywhere"
    mounted = container.inspect("{{range .Mounts}}{{.Destination}} {{end}}").split()
    allowed = {"tmp", *(each.strip("/") for each in mounted)}

    def is_writable(file):
        bits = 0o002 | (0o020 if file.gid == user[1] else 0)
        return not file.issym() and (file.uid == user[0] or file.mode & bits)

    found = [file.name for file in files if is_writable(file) and file.name not in allowed]
    assert not found, some(found)


def test_user_can_read_the_code_and_the_settings(files, user):
    if user[0] == 0:
        pytest.skip("root can read everything")
    ours = [file for file in files if file.name.startswith(("usr/local/", "etc/gunicorn"))]
    found = [file.name for file in ours if not file.mode & 0o004]
    assert not found, some(found)


# File system


@pytest.mark.parametrize("who", ["as its own user", "as any user"])
def test_runs_hardened_without_an_error_in_the_log(start, container, config, hardened, who):
    options = ["--user=12345:0"] if who == "as any user" else []
    if options and container.inspect("{{range .Mounts}}{{.Destination}}{{end}}"):
        pytest.skip("its volume belongs to its own user")
    server = start([*hardened, *options])
    if config.get("Healthcheck"):
        server.wait(lambda: server.health() == "healthy", "the container to be healthy")
    found = re.findall("(?im)^.*(?:error|warning|critical|traceback).*$", server.log())
    assert not found, some(found)


# Settings


def test_port_is_taken_from_the_environment(start):
    server = start(["--env=PORT=9090"], port=9090, wait=False)
    server.wait(server.answers, "an answer on port 9090, with PORT=9090", 10)


@pytest.mark.parametrize("option", ["WEB_CONCURRENCY=3", "GUNICORN_CMD_ARGS=--workers=3"])
def test_number_of_workers(gunicorn_alone, start, option):
    server = start([f"--env={option}"])
    server.wait(lambda: len(server.processes()) == 4, "three workers beside PID 1", 10)


def test_bad_setting_ends_the_start_with_one_line(gunicorn_alone, docker, start):
    settings = ["PORT=x", "PORT=0", "PORT=99999", "PORT=-1", "WEB_CONCURRENCY=0"]
    servers = {setting: start([f"--env={setting}"], wait=False) for setting in settings}
    for setting, server in servers.items():
        server.wait(server.ended, f"the start to end with {setting}", 10)
        name, value = setting.split("=")
        log = server.log()
        assert re.fullmatch(f"{name}='?{value}'?: expected a whole number from 1.*\n", log), f"{setting}: {log}"
        assert server.inspect("{{.State.ExitCode}}") == "1", f"{setting}: the status is not 1"


# Logs, health, labels


def test_access_is_logged_at_once_in_one_line_of_stdout(docker, container):
    container.request("/?logged")
    container.wait(lambda: "/?logged" in container.log(), "the line of an access", 5)
    lines = [line for line in docker("logs", container.id).splitlines() if "logged" in line]
    assert len(lines) == 1, f"{len(lines)} lines on stdout"


@pytest.fixture
def probe(config):
    """The command of the health check."""
    kind, *command = (config.get("Healthcheck") or {"Test": ["NONE"]})["Test"]
    if kind == "NONE":
        pytest.fail("there is no HEALTHCHECK", pytrace=False)
    return kind, command


def test_health_check_needs_no_shell(probe):
    assert probe[0] == "CMD", f"HEALTHCHECK is {' '.join(probe[1])}"


def test_health_check_is_healthy_on_another_port(probe, start):
    server = start(["--env=PORT=9090"], port=9090)
    server.wait(lambda: server.health() == "healthy", "the container to be healthy")


def test_health_check_is_sick_where_nothing_answers(probe, container):
    command = probe[1] if probe[0] == "CMD" else ["sh", "-c", *probe[1]]
    done = subprocess.run(["docker", "exec", "--env=PORT=9", container.id, *command], capture_output=True)
    assert done.returncode == 1, f"its status is {done.returncode} with PORT=9, where nothing listens"


@pytest.mark.parametrize("label", ["title", "description", "licenses"])
def test_label(config, label):
    assert (config.get("Labels") or {}).get(f"org.opencontainers.image.{label}"), "there is none"


# What is inside

PIP = "*.whl pip pip3* pip-* ensurepip .cache"
SOURCES = "pyproject.toml Dockerfile bytecode.py collect.sh"
TOOLS = "cc gcc g++ cpp ld as make git curl wget"


def test_nothing_of_the_build_is_left(files):
    def is_left(file):
        folder, _, name = file.name.rpartition("/")
        # Packages may have modules of these names.
        names = PIP if "site-packages/" in folder else f"{PIP} {SOURCES}"
        return any(fnmatch(name, each) for each in names.split())

    found = [file.name for file in files if is_left(file)]
    assert not found, some(found)


def test_no_build_tool(files):
    tools = {f"{folder}/{name}" for folder in ("bin", "usr/bin", "usr/local/bin") for name in TOOLS.split()}
    found = [file.name for file in files if file.name in tools]
    assert not found, some(found)


def test_no_layer_has_a_secret_or_a_repository(layers, image):
    found = [file.name for layer in layers(image) for file in members(layer)]
    found = [name for name in found if name.rpartition("/")[2] in (".env", ".git", "id_rsa", ".netrc", "pip.conf")]
    assert not found, some(found)
