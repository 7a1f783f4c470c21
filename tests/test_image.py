"""The contract of an image and of its container, seen from outside: each test is a claim, and says what breaks it.

It is run against any image: make test-image IMAGE=name.
"""

import re
import subprocess

import pytest
from shell import HARDENED, members, some


@pytest.fixture
def start(serve, container, image, pytestconfig):
    """A function that runs the image with more options; nothing to run where it does not answer with those given."""
    return lambda options=(), **more: serve(image, options=[*pytestconfig.option.options, *options], **more)


@pytest.fixture
def gunicorn_alone(container, pytestconfig):
    """Skip where what is tested are gunicorn's settings, and another server runs or the app needs its own."""
    if "gunicorn" not in container.processes()[0]:
        pytest.skip(f"PID 1 is not gunicorn: {container.processes()[0]}")
    if own := re.findall("WEB_CONCURRENCY|GUNICORN_CMD_ARGS", " ".join(pytestconfig.option.options)):
        pytest.skip(f"OPTIONS has {own[0]}")


def test_paths_are_answered(container, pytestconfig):
    for path in pytestconfig.option.paths:
        status = container.request(path)[0]
        assert 200 <= status < 400, f"GET {path} is {status}"
        head, _, body = container.request(path, "HEAD")
        assert (head, body) == (status, b""), f"HEAD {path} is {head} and {len(body)} bytes, GET is {status}"


def test_pid_1_is_gunicorn(container):
    first = container.processes()[0]
    assert re.match(r"\S*(python\S* )?\S*gunicorn\b", first), f"PID 1 is {first}"


def test_docker_stop_is_graceful(docker, start):
    server = start(HARDENED)
    docker("stop", server.id)  # after 10 s it is killed, and the status is 137
    status = server.inspect("{{.State.ExitCode}}")
    assert status == "0", f"the status is {status} after docker stop"


def test_port_that_is_not_allowed_ends_the_start(start):
    options = ["--env=PORT=80", "--sysctl=net.ipv4.ip_unprivileged_port_start=1024", "--cap-drop=ALL"]
    server = start(options, wait=False)
    server.wait(server.ended, "the start to end with PORT=80, which it may not bind")
    assert server.inspect("{{.State.ExitCode}}") != "0", "the status is 0"


@pytest.mark.parametrize("who", ["as its own user", "as any user"])
def test_runs_hardened_without_an_error_in_the_log(start, container, who):
    options = ["--user=12345:0"] if who == "as any user" else []
    if options and container.inspect("{{range .Mounts}}{{.Destination}}{{end}}"):
        pytest.skip("its volume belongs to its own user")
    server = start([*HARDENED, *options])
    server.wait_for_health()
    wrong = r"\[ERROR\]|\[CRITICAL\]|Traceback|Read-only file|Permission denied"
    found = [line for line in server.log().splitlines() if re.search(wrong, line)]
    assert not found, some(found)


def test_port_is_taken_from_the_environment_and_probed(start):
    server = start(["--env=PORT=9090"], port=9090, wait=False)
    server.wait(server.answers, "an answer on port 9090, with PORT=9090")
    server.wait_for_health()


@pytest.mark.parametrize("option", ["WEB_CONCURRENCY=3", "GUNICORN_CMD_ARGS=--workers=3"])
def test_number_of_workers(gunicorn_alone, start, option):
    server = start([f"--env={option}"])
    server.wait(lambda: len(server.processes()) == 4, "three workers beside PID 1")


def test_bad_setting_ends_the_start_with_one_line(gunicorn_alone, docker, start):
    settings = ["PORT=x", "PORT=0", "PORT=99999", "PORT=-1", "WEB_CONCURRENCY=0"]
    servers = {setting: start([f"--env={setting}"], wait=False) for setting in settings}
    for setting, server in servers.items():
        server.wait(server.ended, f"the start to end with {setting}")
        name, value = setting.split("=")
        log = server.log()
        assert re.fullmatch(f"{name}='?{value}'?: expected a whole number from 1.*\n", log), f"{setting}: {log}"
        assert server.inspect("{{.State.ExitCode}}") == "1", f"{setting}: the status is not 1"


def test_access_is_logged_at_once_in_one_line_of_stdout(docker, container):
    container.request("/?logged")
    container.wait(lambda: "/?logged" in container.log(), "the line of an access")
    lines = [line for line in docker("logs", container.id).splitlines() if "logged" in line]
    assert len(lines) == 1, f"{len(lines)} lines on stdout"


def test_health_check_needs_no_shell_and_is_sick_where_nothing_answers(config, container):
    kind, *command = (config.get("Healthcheck") or {"Test": ["NONE"]})["Test"]
    assert kind != "NONE", "there is no HEALTHCHECK"
    assert kind == "CMD", f"HEALTHCHECK is {' '.join(command)}"
    done = subprocess.run(["docker", "exec", "--env=PORT=9", container.id, *command], capture_output=True)
    assert done.returncode == 1, f"its status is {done.returncode} with PORT=9, where nothing listens"


def test_user_is_numeric_and_not_root(config):
    user = config["User"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), f"USER is {user!r}, expected numbers as in 10001:10001"


def test_user_has_a_name(container):
    container.python("import os, pwd; pwd.getpwuid(os.getuid())")


PATHS = """
import os
for at, folders, names in os.walk("/"):
    folders[:] = [name for name in folders if not os.path.ismount(os.path.join(at, name))]
    print(*(path for path in (os.path.join(at, name) for name in folders + names) if {}), sep="\\n")
"""


def test_user_can_write_to_tmp_and_its_volumes_alone(container):
    assert container.python("import os; print(os.getuid())") != "0\n", "root can write everywhere"
    writable = container.python(PATHS.format("not os.path.islink(path) and os.access(path, os.W_OK)"))
    found = [path for path in writable.split("\n") if path not in ("", "/tmp")]
    assert not found, some(found)


# Wheels, pip and caches; tools; what the build reads, but packages may have modules of these names.
LEFT = r"(.*/)?(.*\.whl|pip|pip[3-][^/]*|ensurepip|\.cache)|.*bin/(cc|gcc|g\+\+|cpp|ld|as|make|git|curl|wget)"
LEFT += r"|(?!.*site-packages/)(.*/)?(pyproject\.toml|Dockerfile|bytecode\.py|collect\.sh|dates\.py)"


def test_nothing_of_the_build_is_left(docker, container):
    paths = docker("exec", "--user=0", container.id, "python", "-c", PATHS.format(True))
    found = [path for path in paths.splitlines() if re.fullmatch(LEFT, path)]
    assert not found, some(found)


def test_no_layer_has_a_secret_or_a_repository(layers, image):
    found = [file.name for layer in layers(image) for file in members(layer)]
    found = [name for name in found if name.rpartition("/")[2] in (".env", ".git", "id_rsa", ".netrc", "pip.conf")]
    assert not found, some(found)
