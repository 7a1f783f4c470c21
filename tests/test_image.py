"""The contract of a running image, seen from outside: each test is a claim, and says in one line what breaks it.

With test_contents.py it is run against any image: make test-image IMAGE=name.
"""

import re
import subprocess

import pytest
from project import some


@pytest.fixture
def start(serve, container, image, given, port):
    """A function that runs the image with more options; nothing to run where it does not answer with those given."""
    return lambda options=(), **more: serve(image, options=[*given, *options], **{"port": port} | more)


@pytest.fixture
def gunicorn_alone(container, given):
    """Skip where what is tested are gunicorn's settings, and another server runs or the app needs its own."""
    if "gunicorn" not in container.processes()[0]:
        pytest.skip(f"PID 1 is not gunicorn: {container.processes()[0]}")
    if own := [each for each in given if "WEB_CONCURRENCY" in each or "GUNICORN_CMD_ARGS" in each]:
        pytest.skip(f"OPTIONS has {own[0]}")


def test_path_is_answered(container, path):
    status = container.request(path)[0]
    assert 200 <= status < 400, f"GET {path} is {status}"
    head = container.request(path, "HEAD")
    assert (head[0], head[2]) == (status, b""), f"HEAD {path} is {head[0]} and {len(head[2])} bytes, GET is {status}"


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
    server.wait(server.ended, "the start to end with PORT=80, which it may not bind")
    assert server.inspect("{{.State.ExitCode}}") != "0", "the status is 0"


@pytest.mark.parametrize("who", ["as its own user", "as any user"])
def test_runs_hardened_without_an_error_in_the_log(start, container, config, hardened, who):
    options = ["--user=12345:0"] if who == "as any user" else []
    if options and container.inspect("{{range .Mounts}}{{.Destination}}{{end}}"):
        pytest.skip("its volume belongs to its own user")
    server = start([*hardened, *options])
    if config.get("Healthcheck"):
        server.wait_for_health()
    wrong = r"\[ERROR\]|\[CRITICAL\]|Traceback|Read-only file|Permission denied"
    found = [line for line in server.log().splitlines() if re.search(wrong, line)]
    assert not found, some(found)


def test_port_is_taken_from_the_environment_and_probed(start, config):
    server = start(["--env=PORT=9090"], port=9090, wait=False)
    server.wait(server.answers, "an answer on port 9090, with PORT=9090")
    if config.get("Healthcheck"):
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
