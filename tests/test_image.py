"""The contract of an image, seen from outside: it holds whatever the image has inside."""

import io
import re
import subprocess
import tarfile
from fnmatch import fnmatch

import pytest

# Process


def test_pid_1_is_gunicorn(container):
    assert "gunicorn" in container.processes()[0].split()[1]


def test_docker_stop_is_graceful_and_quick(docker, image, serve, hardened):
    server = serve(image, options=hardened)
    docker("stop", "--timeout=3", server.id)  # after 3 s it is killed, and the status is 137
    assert server.inspect("{{.State.ExitCode}}") == "0", server.log()


def test_port_that_is_not_allowed_ends_the_start(image, serve):
    options = ["--env=PORT=80", "--sysctl=net.ipv4.ip_unprivileged_port_start=1024", "--cap-drop=ALL"]
    server = serve(image, options=options, wait=False)
    server.wait(server.ended, "the start to end", 10)
    assert server.inspect("{{.State.ExitCode}}") != "0", server.log()


# User


def test_user_is_numeric_and_not_root(config):
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", config["User"])


def test_user_has_a_name(config, archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        users = tar.extractfile("etc/passwd").read().decode()
    assert f":{config['User']}:" in users


def test_user_can_write_to_tmp_alone(config, files):
    user, group = map(int, config["User"].split(":"))

    def is_writable(file):
        bits = 0o002 | (0o200 if file.uid == user else 0) | (0o020 if file.gid == group else 0)
        return not file.issym() and file.mode & bits

    assert [file.name for file in files if is_writable(file)] == ["tmp"]


def test_user_can_read_the_code_and_the_settings(files):
    ours = [file for file in files if file.name.startswith(("usr/local/", "etc/gunicorn"))]
    assert [file.name for file in ours if not file.mode & 0o004] == []


def test_user_owns_nothing(config, files):
    assert [file.name for file in files if file.uid == int(config["User"].partition(":")[0])] == []


# File system


@pytest.mark.parametrize("user", [[], ["--user=12345:0"]], ids=["own user", "any user"])
def test_runs_hardened_without_an_error_in_the_log(docker, image, serve, hardened, user):
    server = serve(image, options=[*hardened, *user])
    server.wait(lambda: server.health() == "healthy", "the container to be healthy")
    docker("stop", server.id)  # which ends the log
    assert not re.search("error|warning|critical|traceback", server.log(), re.IGNORECASE), server.log()


# Settings


@pytest.mark.parametrize("port", [8080, 9090])
def test_port_and_health(image, serve, port):
    server = serve(image, options=[f"--env=PORT={port}"], port=port)
    server.wait(lambda: server.health() == "healthy", "the container to be healthy")


@pytest.mark.parametrize("option", ["WEB_CONCURRENCY=3", "GUNICORN_CMD_ARGS=--workers=3"])
def test_number_of_workers(image, serve, option):
    server = serve(image, options=[f"--env={option}"])
    server.wait(lambda: len(server.processes()) == 4, "three workers beside PID 1")


@pytest.mark.parametrize("setting", ["PORT=x", "PORT=0", "PORT=99999", "PORT=-1", "WEB_CONCURRENCY=0"])
def test_bad_setting_ends_the_start_with_one_line(docker, image, setting):
    done = subprocess.run(
        ["docker", "run", "--rm", "--env", setting, image], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    name, value = setting.split("=")
    assert re.fullmatch(f"{name}='?{value}'?: expected a whole number from 1.*\n", done.stderr)
    assert done.stdout == ""


# Logs, health, labels


def test_access_is_logged_at_once_in_one_line_of_stdout(docker, container):
    container.request("/?logged")
    container.wait(lambda: "/?logged" in container.log(), "the line", 5)
    lines = [line for line in docker("logs", container.id).splitlines() if "logged" in line]
    assert [line.count("GET /?logged ") for line in lines] == [1]


def test_health_check_is_sick_where_nothing_answers(config, container):
    kind, *probe = config["Healthcheck"]["Test"]
    assert kind == "CMD"
    assert (
        subprocess.run(["docker", "exec", "--env=PORT=9", container.id, *probe], capture_output=True).returncode == 1
    )


@pytest.mark.parametrize("label", ["title", "description", "licenses"])
def test_label(config, label):
    assert config["Labels"][f"org.opencontainers.image.{label}"]


# What is inside

LEFTOVERS = "*.whl pip pip3* pip-* ensurepip .cache .git .env id_rsa pyproject.toml Dockerfile bytecode.py collect.sh"
TOOLS = "cc gcc g++ cpp ld as make git curl wget"


@pytest.mark.parametrize("pattern", f"{LEFTOVERS} {TOOLS}".split())
def test_image_does_not_have(files, pattern):
    found = [file for file in files if fnmatch(file.name.rpartition("/")[2], pattern)]
    assert [file.name for file in found if not (file.isdir() and pattern in TOOLS)] == []
