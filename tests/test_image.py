import json
import re
import subprocess
import tarfile

import pytest
from conftest import (
    ARCHIVE,
    BAD_SETTINGS,
    EXCHANGES,
    HARDENED,
    ROOT,
    check_answer,
    check_refusal,
    copy_source,
    run,
    wait_until,
)
from layers import compressed, layers


@pytest.fixture(scope="module")
def image_layers(image):
    return layers(f"{image}:latest")


@pytest.fixture(scope="module")
def config(docker, image):
    return json.loads(docker("image", "inspect", image).stdout)[0]["Config"]


def build_fails(source):
    """Return the output of a build that must fail."""
    done = subprocess.run(["docker", "build", source], capture_output=True, text=True)
    assert done.returncode != 0
    return done.stderr


# Answer


@pytest.mark.parametrize(("method", "path", "status", "headers", "body"), EXCHANGES)
def test_answer(container, method, path, status, headers, body):
    check_answer(container.request(method, path), status, headers, body)


# Process


def test_pid_1_is_gunicorn(container):
    command = container.python("print(open('/proc/1/cmdline').read().split(chr(0)))")
    assert command == "['python', '-m', 'hello_app.server', '']\n"
    assert re.search(r"\[1\] \[INFO\] Starting gunicorn", container.logs())


@pytest.mark.parametrize("options", [[], HARDENED.split()], ids=["plain", "hardened"])
def test_docker_stop_is_graceful_and_quick(docker, containers, options):
    server = containers(*options)
    server.request()
    docker("stop", "--timeout=3", server.id)  # after 3 s it is killed, and the status is 137
    assert server.inspect("{{.State.ExitCode}}") == "0"


# User and file system


def test_user_is_numeric_and_not_root(config, container):
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", config["User"])
    ids = container.python("import os; print(f'{os.getuid()}:{os.getgid()}', os.getgroups())")
    assert ids == f"{config['User']} [{config['User'].partition(':')[2]}]\n"


WALK = """
import os
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/sys", "/dev")]
    for path in [folder, *(os.path.join(folder, name) for name in files)]:
        if CONDITION:
            print(path)
"""


def test_nothing_is_writable_but_tmp_and_shared_memory(container):
    writable = "not os.path.islink(path) and os.access(path, os.W_OK)"
    assert container.python(WALK.replace("CONDITION", writable)).split() == ["/tmp"]
    assert container.python("import os; print(os.access('/dev/shm', os.W_OK))") == "True\n"


def test_code_belongs_to_root(container):
    others = "path.startswith('/usr/local') and os.lstat(path).st_uid != 0"
    assert container.python(WALK.replace("CONDITION", others)) == ""


def test_runs_hardened_without_an_error_in_the_log(docker, containers):
    server = containers(*HARDENED.split())
    assert server.request()[2] == b"Hello world!"
    wait_until(lambda: server.inspect("{{.State.Health.Status}}") == "healthy", "the container to be healthy")
    docker("stop", server.id)  # which ends the log
    assert not re.search("error|warning|critical|traceback", server.logs(), re.IGNORECASE), server.logs()


# Settings


def test_port(containers):
    assert containers("--env=PORT=9090", port=9090).request()[0] == 200


@pytest.mark.parametrize("variable", ["PORT", "WEB_CONCURRENCY"])
def test_empty_setting_is_the_default(containers, variable):
    server = containers(f"--env={variable}=")  # which publishes the default port
    wait_until(lambda: server.logs().count("Booting worker") == 2, "two workers")


@pytest.mark.parametrize(("variable", "value", "expected"), BAD_SETTINGS)
def test_bad_setting_ends_the_start_with_one_line(image, variable, value, expected):
    command = ["docker", "run", "--rm", f"--env={variable}={value}", image]
    check_refusal(subprocess.run(command, capture_output=True, text=True, timeout=30), variable, value, expected)


# Logs, health, labels


def test_log_has_a_request_at_once_in_one_line_of_stdout(docker, container):
    container.request(path="/?logged")
    wait_until(lambda: "/?logged" in container.logs(), "the line")
    logs = docker("logs", container.id)
    assert [line.count("GET /?logged") for line in logs.stdout.splitlines() if "logged" in line] == [1]
    assert "logged" not in logs.stderr


@pytest.mark.parametrize("port", [8080, 9090])
def test_health(containers, port):
    server = containers(f"--env=PORT={port}", port=port)
    wait_until(lambda: server.inspect("{{.State.Health.Status}}") == "healthy", "the container to be healthy")


def test_health_check_fails_where_nothing_answers(config, container):
    kind, *probe = config["Healthcheck"]["Test"]
    assert kind == "CMD"
    command = ["docker", "exec", "--env=PORT=9", container.id, *probe]
    assert subprocess.run(command, capture_output=True).returncode == 1


def test_labels_and_port_are_declared(config):
    labels = {name.rpartition(".")[2]: value for name, value in config["Labels"].items()}
    assert labels["title"] == "Hello world!"
    assert labels["licenses"] == "MIT"
    assert labels["description"]
    assert list(config["ExposedPorts"]) == ["8080/tcp"]


# What is inside


FILES = "*.whl pip pip-* ensurepip .cache .git .env src/* test_*.py pyproject.toml Dockerfile bytecode.py"


@pytest.mark.parametrize("name", FILES.split())
def test_image_does_not_have_the_file(container, name):
    matches = f"__import__('fnmatch').fnmatch(path, '*/{name}')"
    assert container.python(WALK.replace("CONDITION", matches)) == ""


@pytest.mark.parametrize("name", "cc gcc g++ cpp ld as make git pip pip3 curl wget".split())
def test_image_does_not_have_the_command(container, name):
    assert container.python(f"import shutil; print(shutil.which({name!r}))") == "None\n"


def test_every_bytecode_that_a_start_and_a_request_load_is_there_and_hash_checked(containers):
    server = containers("--env=PYTHONVERBOSE=1", "--env=WEB_CONCURRENCY=1")
    assert server.request()[0] == 200
    origins = set(re.findall(r"# code object from '?([^'\s]+)'?", server.logs()))
    assert [path for path in origins if path.endswith(".py")] == []
    assert len(origins) > 200
    checked = "open(path, 'rb').read(8)[4:] == bytes([3, 0, 0, 0])"  # PEP 552
    assert server.python(f"print([path for path in {sorted(origins)!r} if not {checked}])") == "[]\n"


def test_image_is_at_most_12_MB_over_slim_and_4_5_MB_compressed(image_layers):
    base = layers("python:3.14-slim")
    assert image_layers[: len(base)] == base
    added = image_layers[len(base) :]
    assert sum(map(len, added)) <= 12e6
    assert sum(map(compressed, added)) <= 4.5e6


# The build


def test_code_change_remakes_one_layer_of_less_than_4_KB(docker, source):
    # A variable of its own, so that both build on one layer: of several equal ones in the cache, any can be taken.
    dockerfile = source / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace(" AS runtime\n", f" AS runtime\nENV BUILD={source}\n"))
    app = source / "hello_app/__init__.py"
    before, after = built = [], []
    for found in built:
        docker("build", "--tag=hello:changed", source)
        found += layers("hello:changed")
        app.write_text(app.read_text().replace("Hello world!", "Hello, world!"))
    docker("image", "rm", "hello:changed")
    assert after[:-1] == before[:-1]
    assert after[-1] != before[-1]
    assert compressed(after[-1]) < 4 * 1024


def test_build_fails_when_a_hash_does_not_match(image, source):
    lock = source / "requirements/runtime.txt"
    lock.write_text(re.sub("sha256:[0-9a-f]{8}", "sha256:00000000", lock.read_text()))
    assert "DO NOT MATCH THE HASHES" in build_fails(source)


def test_build_fails_when_a_locked_package_is_missing(image, source):
    lock = source / "requirements/runtime.txt"
    lock.write_text(re.sub(r"(?s)itsdangerous==.*?(?=\njinja2)", "", lock.read_text()))
    assert "itsdangerous" in build_fails(source)


def test_build_fails_when_the_app_cannot_be_imported(image, source):
    app = source / "hello_app/__init__.py"
    app.write_text(app.read_text().replace("    return app", "    import no_such_module"))
    assert "No module named 'no_such_module'" in build_fails(source)


def test_nothing_but_the_allow_list_enters_the_build(docker, source, tmp_path):
    for secret in (".env", ".git/config", "id_rsa", "notes.txt", "hello_app/.env", "hello_app/__pycache__/x.pyc"):
        (source / secret).parent.mkdir(exist_ok=True)
        (source / secret).write_text("secret")
    docker("build", "--file=-", f"--output={tmp_path / 'out'}", source, input="FROM scratch\nCOPY . /\n")
    entered = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert entered == {
        "LICENSE",
        "hello_app/__init__.py",
        "hello_app/server.py",
        "hello_app/worker.py",
        "pyproject.toml",
        "requirements/build.txt",
        "requirements/runtime.txt",
    }


def test_checks_of_the_build_find_nothing(docker):
    docker("build", "--check", ROOT)


def test_same_digest_from_another_clone(image, source, tmp_path):
    clone = copy_source(tmp_path / "another clone")
    for path in clone.rglob("*"):
        path.touch()
    assert build_archive(source) == build_archive(clone)


def build_archive(source):
    """Build with no cache and one date for all files, and return the digest of the image's manifest."""
    run("bash", "-c", ARCHIVE, cwd=source)
    with tarfile.open(source / "hello.tar") as opened:
        return json.load(opened.extractfile("index.json"))["manifests"][0]["digest"]
