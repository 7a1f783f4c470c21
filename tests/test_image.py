"""The contract of an image and of its container, seen from outside.

Each test is a claim, and says what breaks it. It is run against any image:
make test-image IMAGE=name.
"""

import re
import subprocess

import pytest
from layers import files
from servers import HARDENED, exposed

# gunicorn ends a worker that was frozen, unless it has no timeout.
FROZEN = "--env=GUNICORN_CMD_ARGS=--timeout=0"
# What stands for each platform, by the pages that state its contract.
PLATFORMS = {
    # "Container Registry & Runtime", "Dyno Types": any user, its PORT, 512 MB.
    "Heroku": ["--env=PORT=54321", "--user=54321", "--memory=512m"],
    # "Create a Lambda function using a container image": any user, read-only.
    # Users report that /dev/shm is missing.
    "AWS Lambda": [
        "--read-only",
        "--tmpfs=/tmp",
        "--ipc=none",
        "--user=993:990",
        FROZEN,
    ],
    # "Container runtime contract": its PORT, SIGKILL 10 s after SIGTERM.
    "Cloud Run": ["--env=PORT=9090", FROZEN],
    # "Pod Security Standards"; read-only is what deploy/kubernetes.yaml adds.
    "Kubernetes restricted": [
        "--read-only",
        "--tmpfs=/tmp",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
    ],
    # "Private Networking": its proxy asks internal_port, other apps ask by IPv6.
    "Fly": ["--env=GUNICORN_CMD_ARGS=--bind=[::]:{port}"],
    # "Configure a custom container for Azure App Service": port 80.
    "Azure": ["--env=PORT=80"],
}


@pytest.fixture
def start(serve, container, image, pytestconfig):
    """A function that runs the image with more options than those it needs."""

    def run(options=(), **more):
        return serve(image, options=[*pytestconfig.option.options, *options], **more)

    return run


@pytest.fixture
def gunicorn_alone(container, pytestconfig):
    """Skip where another server runs, or the app needs its own settings of gunicorn."""
    if "gunicorn" not in container.processes()[0]:
        pytest.skip(f"PID 1 is not gunicorn: {container.processes()[0]}")
    options = " ".join(pytestconfig.option.options)
    if own := re.findall("WEB_CONCURRENCY|GUNICORN_CMD_ARGS", options):
        pytest.skip(f"OPTIONS has {own[0]}")


@pytest.fixture
def any_user(container):
    """A function that skips where a volume belongs to the image's own user."""
    if container.inspect("{{range .Mounts}}{{.Destination}}{{end}}"):
        return lambda: pytest.skip("its volume belongs to its own user")
    return lambda: None


def test_paths_are_answered(container, pytestconfig):
    for path in pytestconfig.option.paths:
        status = container.request(path)[0]
        assert status != 404, f"GET {path} is 404: name paths of the app, PATHS=/login"
        assert 200 <= status < 400, f"GET {path} is {status}\n{container.log()}"
        head, _, body = container.request(path, "HEAD")
        assert (head, body) == (status, b""), f"HEAD {path} is {head}, GET is {status}"


def test_pid_1_is_gunicorn(container):
    first = container.processes()[0]
    assert re.match(r"\S*(python\S* )?\S*gunicorn\b", first), f"PID 1 is {first}"


def stop(server):
    """Stop a container, and return its status, which is 137 if it had to be killed."""
    if not server.ended():
        server.docker("stop")
    status = server.inspect("{{.State.ExitCode}}")
    by_itself = server.ended() and "failed to boot" in server.log()
    assert not by_itself, f"it ended by itself, with status {status}\n{server.log()}"
    return status


def test_docker_stop_is_graceful(start):
    server = start(HARDENED)
    status = stop(server)
    assert status == "0", f"the status is {status} after docker stop\n{server.log()}"


def test_port_that_is_not_allowed_ends_the_start(start):
    privileged = "--sysctl=net.ipv4.ip_unprivileged_port_start=1024"
    server = start(["--env=PORT=80", privileged, "--cap-drop=ALL"], wait=False)
    server.wait(server.ended, "the start to end with PORT=80, which it may not bind")
    assert server.inspect("{{.State.ExitCode}}") != "0", "the status is 0"


@pytest.mark.parametrize("who", ["as its own user", "as any user"])
def test_runs_hardened_without_an_error_in_the_log(start, any_user, who):
    if who == "as any user":
        any_user()
    user = ["--user=12345:0"] if who == "as any user" else []
    server = start([*HARDENED, *user])
    health = "{{with .State.Health}}{{.Status}}{{else}}healthy{{end}}"
    server.wait(
        lambda: server.ended() or server.inspect(health) == "healthy",
        "the container to be healthy",
    )
    assert not server.ended(), f"it ended by itself\n{server.log()}"
    wrong = r"\[ERROR\]|\[CRITICAL\]|Traceback|Read-only file|Permission denied"
    assert not re.search(wrong, server.log()), f"an error in the log\n{server.log()}"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_holds_on(container, image, start, any_user, platform):
    options = [text.format(port=exposed(image)) for text in PLATFORMS[platform]]
    if any("--user" in option for option in options):
        any_user()
    port = re.search(r"PORT=(\d+)|$", options[0])[1]
    # No platform heeds the image's STOPSIGNAL.
    server = start([*options, "--stop-signal=TERM"], port=port)
    if platform == "Fly" and "gunicorn" in server.processes()[0]:
        address = ("::1", int(exposed(image)))
        server.python(f"import socket; socket.create_connection({address})")
    assert stop(server) != "137", "it is killed 10 s after SIGTERM"


def test_port_is_taken_from_the_environment_and_probed(start):
    server = start(["--env=PORT=9090"], port=9090, wait=False)
    server.wait(server.answers, "an answer on port 9090, with PORT=9090")
    server.wait_for_health()


@pytest.mark.parametrize(
    "option", ["WEB_CONCURRENCY=3", "GUNICORN_CMD_ARGS=--workers=3"]
)
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
        assert re.fullmatch(
            f"{name}='?{value}'?: expected a whole number from 1.*\n", log
        ), f"{setting}: {log}"
        assert server.inspect("{{.State.ExitCode}}") == "1", (
            f"{setting}: the status is not 1"
        )


def test_access_is_logged_at_once_in_one_line_of_stdout(docker, container):
    container.request(f"{container.path}?logged")
    container.wait(lambda: "?logged" in container.log(), "the line of an access")
    lines = [
        line for line in docker("logs", container.id).splitlines() if "logged" in line
    ]
    assert len(lines) == 1, f"{len(lines)} lines on stdout"


def test_health_check_needs_no_shell_and_is_sick_where_nothing_answers(
    config, container
):
    kind, *command = (config.get("Healthcheck") or {"Test": ["NONE"]})["Test"]
    assert kind != "NONE", "there is no HEALTHCHECK"
    assert kind == "CMD", f"HEALTHCHECK is {' '.join(command)}"
    done = subprocess.run(
        ["docker", "exec", "--env=PORT=9", container.id, *command], capture_output=True
    )
    assert done.returncode == 1, (
        f"its status is {done.returncode} with PORT=9, where nothing listens"
    )


def test_user_is_numeric_and_not_root(config):
    user = config["User"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), (
        f"USER is {user!r}, expected numbers as in 10001:10001"
    )


def test_user_has_a_name(container):
    container.python("import os, pwd; pwd.getpwuid(os.getuid())")


def first(paths):
    """Return the first paths as one line, for a claim's answer."""
    more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
    return ", ".join(map(str, paths[:5])) + more


PATHS = """
import os
for at, folders, names in os.walk("/"):
    folders[:] = [name for name in folders if not os.path.ismount(f"{{at}}/{{name}}")]
    paths = [os.path.join(at, name) for name in folders + names]
    print(*(path for path in paths if {}), sep="\\n")
"""


def test_user_can_write_to_tmp_and_its_volumes_alone(container):
    assert container.python("import os; print(os.getuid())") != "0\n", (
        "root can write everywhere"
    )
    writable = container.python(
        PATHS.format("not os.path.islink(path) and os.access(path, os.W_OK)")
    )
    paths = [path for path in writable.split("\n") if path not in ("", "/tmp")]
    assert not paths, first(paths)


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
    assert not left, first(left)


def test_no_layer_has_a_secret_or_a_repository(layers, image):
    paths = [name for layer in layers(image) for name in files(layer)]
    secrets = [path for path in paths if path.rpartition("/")[2] in SECRETS]
    assert not secrets, first(secrets)
