"""The contract of an image and of its container, seen from outside.

Each test is a claim, and says what breaks it. It is run against any image:
make test-image IMAGE=name.
"""

import re
import subprocess

import pytest
from images import all_files, inspect
from readme import HARDENED

# gunicorn ends a worker that was frozen, unless it has no timeout.
FROZEN = "--env=GUNICORN_CMD_ARGS=--timeout=0"
# The PORT that each platform sets, if any, and the options that stand for the rest of
# it, by the pages that state its contract.
PLATFORMS = {
    # "Container Registry & Runtime", "Dyno Types": any user, its PORT, 512 MB.
    "Heroku": (54321, "--user=54321 --memory=512m"),
    # "Create a Lambda function using a container image": any user, read-only.
    # Users report that /dev/shm is missing.
    "AWS Lambda": (
        None,
        f"--read-only --tmpfs=/tmp --ipc=none --user=993:990 {FROZEN}",
    ),
    # "Container runtime contract": its PORT, SIGKILL 10 s after SIGTERM.
    "Cloud Run": (9090, FROZEN),
    # "Pod Security Standards"; read-only is what deploy/kubernetes.yaml adds.
    "Kubernetes restricted": (
        None,
        "--read-only --tmpfs=/tmp --cap-drop=ALL --security-opt=no-new-privileges",
    ),
    # "Private Networking": its proxy asks internal_port, other apps ask by IPv6.
    "Fly": (8080, "--env=GUNICORN_CMD_ARGS=--bind=[::]:8080"),
    # "Configure a custom container for Azure App Service": port 80.
    "Azure": (80, ""),
}


@pytest.fixture
def start(serve, container, image, pytestconfig):
    """A function that runs the image with more options than those it needs."""

    def run(*options, port=None, wait=True):
        if port:
            options = f"--env=PORT={port}", *options
        options = *pytestconfig.option.options, *options
        return serve(image, options=options, port=port, wait=wait)

    return run


@pytest.fixture
def gunicorn_alone(container, pytestconfig):
    """Skip where another server runs, or the app needs its own settings of gunicorn."""
    if "gunicorn" not in container.processes()[0]:
        pytest.skip(f"PID 1 is not gunicorn: {container.processes()[0]}")
    options = " ".join(pytestconfig.option.options)
    if own := re.findall("WEB_CONCURRENCY|GUNICORN_CMD_ARGS", options):
        pytest.skip(f"OPTIONS has {own[0]}")


def test_paths_are_answered(container, pytestconfig):
    for path in pytestconfig.option.paths:
        status = container.request(path)[0]
        assert status != 404, f"GET {path} is 404: name paths of the app, PATHS=/login"
        assert 200 <= status < 400, f"GET {path} is {status}\n{container.log()}"


def test_HEAD_is_answered_as_GET_without_a_body(container, pytestconfig):
    for path in pytestconfig.option.paths:
        status = container.request(path)[0]
        head, _, body = container.request(path, "HEAD")
        assert (head, body) == (status, b""), f"HEAD {path} is {head}, GET is {status}"


def test_pid_1_is_gunicorn(container):
    first = container.processes()[0]
    assert re.match(r"\S*(python\S* )?\S*gunicorn\b", first), f"PID 1 is {first}"


def stop(server):
    """Stop a container, and return its status, which is 137 if it had to be killed."""
    server.docker("stop")
    log = server.log()
    assert "failed to boot" not in log, f"it ended by itself\n{log}"
    return server.inspect("{{.State.ExitCode}}")


def check_log(server):
    wrong = r"\[ERROR\]|\[CRITICAL\]|Traceback|Read-only file|Permission denied"
    assert not re.search(wrong, server.log()), f"an error in the log\n{server.log()}"


def test_docker_stop_is_graceful(start):
    server = start(*HARDENED)
    status = stop(server)
    assert status == "0", f"the status is {status} after docker stop\n{server.log()}"


def test_port_that_is_not_allowed_ends_the_start(start):
    privileged = "--sysctl=net.ipv4.ip_unprivileged_port_start=1024"
    server = start(privileged, "--cap-drop=ALL", port=80, wait=False)
    server.wait(server.ended, "the start ended with PORT=80, which it may not bind")
    assert server.inspect("{{.State.ExitCode}}") != "0", "the status is 0"


def test_runs_hardened_without_an_error_in_the_log(start):
    server = start(*HARDENED)
    server.wait_for_health()
    check_log(server)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_holds_on(container, start, platform):
    port, options = PLATFORMS[platform]
    volumes = container.inspect("{{range .Mounts}}{{.Destination}}{{end}}")
    if volumes and "--user=" in options:
        pytest.skip("its volume belongs to its own user")
    # No platform heeds the image's STOPSIGNAL.
    server = start(*options.split(), "--stop-signal=TERM", port=port)
    check_log(server)
    assert stop(server) != "137", "it is killed 10 s after SIGTERM"


def test_port_is_taken_from_the_environment_and_probed(start):
    server = start(port=9090, wait=False)
    server.wait(server.answers, "an answer on port 9090, with PORT=9090")
    server.wait_for_health()


@pytest.mark.parametrize(
    "option", ["WEB_CONCURRENCY=3", "GUNICORN_CMD_ARGS=--workers=3"]
)
def test_number_of_workers(gunicorn_alone, start, option):
    server = start(f"--env={option}")
    server.wait(lambda: len(server.processes()) == 4, "it had three workers")


def test_bad_setting_ends_the_start_with_one_line(gunicorn_alone, start):
    settings = ["PORT=x", "PORT=0", "PORT=99999", "PORT=-1", "WEB_CONCURRENCY=0"]
    servers = {setting: start(f"--env={setting}", wait=False) for setting in settings}
    for setting, server in servers.items():
        server.wait(server.ended, f"the start ended with {setting}")
        name, value = setting.split("=")
        line = f"{name}='?{value}'?: expected a whole number from 1.*\n"
        log = server.log()
        assert re.fullmatch(line, log), f"{setting}: {log}"
        status = server.inspect("{{.State.ExitCode}}")
        assert status == "1", f"{setting}: the status is {status}"


def test_access_is_logged_at_once_in_one_line_of_stdout(docker, container):
    container.request(f"{container.path}?logged")
    container.wait(lambda: "?logged" in container.log(), "the line of an access")
    stdout = docker("logs", container.id).splitlines()
    lines = [line for line in stdout if "?logged" in line]
    assert len(lines) == 1, f"{len(lines)} lines on stdout"


def test_health_check_needs_no_shell_and_is_sick_where_nothing_answers(
    image, container
):
    check = inspect(image)["Config"].get("Healthcheck") or {"Test": ["NONE"]}
    kind, *command = check["Test"]
    assert kind != "NONE", "there is no HEALTHCHECK"
    assert kind == "CMD", f"HEALTHCHECK is {' '.join(command)}"
    in_container = ["docker", "exec", "--env=PORT=9", container.id]
    status = subprocess.run([*in_container, *command], capture_output=True).returncode
    assert status == 1, f"its status is {status} with PORT=9, where nothing listens"


def test_user_is_numeric_and_not_root(image):
    user = inspect(image)["Config"]["User"]
    numbers = re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert numbers, f"USER is {user!r}, expected numbers as in 10001:10001"


def test_user_has_a_name(container):
    container.python("import os, pwd; pwd.getpwuid(os.getuid())")


PATHS = """
import os
for at, folders, names in os.walk("/"):
    folders[:] = [name for name in folders if not os.path.ismount(f"{{at}}/{{name}}")]
    paths = [os.path.join(at, name) for name in folders + names]
    print(*(path for path in paths if {}), sep="\\n")
"""


def test_user_can_write_to_tmp_and_its_volumes_alone(container):
    user = container.python("import os; print(os.getuid())")
    assert user != "0\n", "root can write everywhere"
    may_write = "not os.path.islink(path) and os.access(path, os.W_OK)"
    writable = container.python(PATHS.format(may_write)).split("\n")
    paths = [path for path in writable if path not in ("", "/tmp")]
    assert not paths, ", ".join(paths[:5])


# Wheels, pip and caches; tools; what the build reads, outside of packages.
LEFT = r"(.*/)?(.*\.whl|pip|pip[3-][^/]*|ensurepip|\.cache)"
LEFT += r"|.*bin/(cc|gcc|g\+\+|cpp|ld|as|make|git|curl|wget)"
LEFT += r"|(?!.*site-packages/)(.*/)?(pyproject\.toml|Dockerfile|collect\.sh)"
LEFT += r"|docker/(bytecode|dates|finish|sourceless|split)\.\w+"
SECRETS = (".env", ".git", "id_rsa", ".netrc", "pip.conf")


def test_nothing_of_the_build_is_left(docker, container):
    code = PATHS.format(True)
    paths = docker("exec", "--user=0", container.id, "python", "-c", code).splitlines()
    left = [path for path in paths if re.fullmatch(LEFT, path)]
    assert not left, ", ".join(left[:5])


def test_no_layer_has_a_secret_or_a_repository(image):
    paths = [path for path, _ in all_files(image)]
    secrets = [path for path in paths if path.rpartition("/")[2] in SECRETS]
    assert not secrets, ", ".join(secrets[:5])
