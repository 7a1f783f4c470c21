import json
import re
import subprocess

import pytest
from conftest import (
    BAD_SETTINGS,
    EXCHANGES,
    HARDENED,
    ROOT,
    check_answer,
    check_refusal,
    run,
    wait_until,
)
from layers import compressed, layers


def inspect(docker, image):
    """Return the image's configuration: its user, command, labels and so on."""
    return json.loads(docker("image", "inspect", image).stdout)[0]["Config"]


@pytest.fixture(scope="module")
def config(docker, image):
    return inspect(docker, image)


only_runtime = pytest.mark.parametrize("image", ["runtime"], indirect=True)
only_bare = pytest.mark.parametrize("image", ["bare"], indirect=True)


def build_fails(source, *options):
    """Return the output of a build that must fail."""
    done = subprocess.run(["docker", "build", *options, source], capture_output=True, text=True)
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


PROBED = """
import http.server, os, subprocess, sys, threading
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)  # /healthz is 404
threading.Thread(target=server.serve_forever, daemon=True).start()
print(subprocess.run(sys.argv[1:], env=os.environ | {"PORT": str(server.server_port)}).returncode)
"""


def test_health_check_fails_on_another_status(config, docker, container):
    assert docker("exec", container.id, "python", "-c", PROBED, *config["Healthcheck"]["Test"][1:]).stdout == "1\n"


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


def test_every_bytecode_that_a_start_and_a_request_load_is_there_and_by_hash(containers):
    server = containers("--env=PYTHONVERBOSE=1", "--env=WEB_CONCURRENCY=1")
    assert server.request()[0] == 200
    origins = set(re.findall(r"# code object from '?([^'\s]+)'?", server.logs()))
    assert [path for path in origins if path.endswith(".py")] == []
    assert len(origins) > 200
    by_hash = "open(path, 'rb').read(8)[4] & 1"  # PEP 552
    assert server.python(f"print([path for path in {sorted(origins)!r} if not {by_hash}])") == "[]\n"


@only_runtime
def test_image_is_at_most_12_MB_over_slim_and_4_5_MB_compressed(image):
    base = layers("python:3.14-slim")
    ours = layers(image)
    assert ours[: len(base)] == base
    added = ours[len(base) :]
    assert sum(map(len, added)) <= 12e6
    assert sum(map(compressed, added)) <= 4.5e6


# What is inside the image from scratch


@only_bare
def test_image_is_at_most_42_MB_and_15_MB_compressed(image):
    found = layers(image)
    assert sum(map(len, found)) <= 42e6
    assert sum(map(compressed, found)) <= 15e6


def test_both_images_start_alike(docker, runtime, bare):
    of_runtime, of_bare = inspect(docker, runtime), inspect(docker, bare)
    for config in (of_runtime, of_bare):  # the one has Python's version, and folders that the other does not have
        config["Env"] = {
            variable for variable in config["Env"] if not variable.startswith(("PATH=", "PYTHON_VERSION="))
        }
    assert of_bare == of_runtime


@only_bare
def test_python_is_the_only_program(container):
    is_file = "os.path.isfile(path) and not os.path.islink(path)"
    is_program = f"{is_file} and '.so' not in path and open(path, 'rb').read(4) == b'\\x7fELF'"
    assert container.python(WALK.replace("CONDITION", is_program)) == "/usr/local/bin/python3.14\n"


@only_bare
def test_image_has_no_shell(container):
    assert container.python("import os; print(os.waitstatus_to_exitcode(os.system('true')))") == "127\n"


@only_bare
def test_no_file_changes_the_user(container):
    assert container.python(WALK.replace("CONDITION", "os.lstat(path).st_mode & 0o6000")) == ""


MODULES = """
import os, sys
names = set(sys.stdlib_module_names)
for folder in filter(os.path.isdir, sys.path):
    for at, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name.isidentifier() and name != "__pycache__"]
        for file in files:
            if file.endswith((".py", ".so")):
                module = os.path.relpath(os.path.join(at, file.partition(".")[0]), folder).removesuffix("/__init__")
                names.add(module.replace("/", "."))
names = [name for name in names if not name.endswith("__main__")]
"""
IMPORTED = """
import contextlib, importlib, io
imported = []
for name in sorted(names):
    with contextlib.suppress(BaseException), contextlib.redirect_stdout(io.StringIO()):
        importlib.import_module(name)
        imported.append(name)
print(*imported)
"""
# A name of a package is for all that is in it. tkinter and turtle are not importable in runtime: it has no Tk.
LEFT_OUT = {
    *("idlelib", "turtledemo", "curses", "_curses", "_curses_panel", "readline"),
    *("pydoc_data", "venv", "_dbm", "_gdbm", "dbm.gnu", "dbm.ndbm"),
    *("_ctypes_test", "_testbuffer", "_testcapi", "_testclinic", "_testclinic_limited", "_testimportmultiple"),
    *("_testinternalcapi", "_testlimitedcapi", "_testmultiphase", "_testsinglephase", "_xxtestfuzz"),
    *("xxlimited", "xxlimited_35", "xxsubtype"),
}


def test_every_module_imports_but_those_left_out(docker, runtime, bare):
    names = docker("run", "--rm", runtime, "python", "-c", MODULES + "print(names)").stdout

    def imported(image):
        return set(docker("run", "--rm", image, "python", "-c", f"names = {names}{IMPORTED}").stdout.split())

    left_out = imported(runtime) - imported(bare)
    assert {name if name in LEFT_OUT else name.partition(".")[0] for name in left_out} == LEFT_OUT


def test_package_with_native_code_works(container):
    assert (
        container.python("import markupsafe; print(markupsafe._escape_inner.__module__)") == "markupsafe._speedups\n"
    )


def test_library_that_glibc_opens_to_end_a_thread_is_there(container):
    assert container.python("import ctypes; print(ctypes.CDLL('libgcc_s.so.1')._name)") == "libgcc_s.so.1\n"


def test_time_zones_and_certificates_are_there(container):
    assert container.python("import zoneinfo; print(zoneinfo.ZoneInfo('Europe/Paris'))") == "Europe/Paris\n"
    certificates = "len(ssl.create_default_context().get_ca_certs())"
    assert int(container.python(f"import ssl; print({certificates})")) > 100


def test_traceback_has_each_file_and_line(container):
    command = ["docker", "exec", container.id, "python", "-c", "import json; json.loads('x')"]
    traceback = subprocess.run(command, capture_output=True, text=True).stderr
    lines = re.findall(r'File "(/usr/local/lib/python3\.\d+/json/\w+\.py)", line (\d+)', traceback)
    assert len(lines) == 3, traceback


def test_user_has_a_name_in_the_image_from_scratch(docker, bare):
    assert docker("run", "--rm", bare, "python", "-c", "import getpass; print(getpass.getuser())").stdout == "app\n"


# The build


def test_code_change_remakes_one_layer_of_less_than_4_KB(docker, source):
    # Of several equal layers in the cache any can be taken, with other dates: those of this build have no equal.
    dockerfile, unique = source / "Dockerfile", f"RUN echo BUILD_ID={source} >> /etc/os-release"
    dockerfile.write_text(dockerfile.read_text().replace(" AS installed\n", f" AS installed\n{unique}\n"))
    app = source / "hello_app/__init__.py"
    before, after = built = [], []
    for found in built:
        for target in ("runtime", "bare"):
            docker("build", f"--target={target}", "--tag=hello:changed", source)
            found.append(layers("hello:changed"))
        app.write_text(app.read_text().replace("Hello world!", "Hello, world!"))
    docker("image", "rm", "hello:changed")
    for old, new in zip(before, after, strict=True):
        changed = [one != other for one, other in zip(old, new, strict=True)]
        assert changed == [False] * (len(new) - 1) + [True]
        assert compressed(new[-1]) < 4 * 1024


def test_build_fails_when_a_hash_does_not_match(runtime, source):
    lock = source / "requirements/runtime.txt"
    lock.write_text(re.sub("sha256:[0-9a-f]{8}", "sha256:00000000", lock.read_text()))
    assert "DO NOT MATCH THE HASHES" in build_fails(source)


def test_build_fails_when_a_locked_package_is_missing(runtime, source):
    lock = source / "requirements/runtime.txt"
    lock.write_text(re.sub(r"(?s)itsdangerous==.*?(?=\njinja2)", "", lock.read_text()))
    assert "itsdangerous" in build_fails(source)


def test_build_fails_when_the_app_cannot_be_imported(runtime, source):
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


def test_default_build_does_not_build_the_image_from_scratch(docker, source):
    dockerfile = source / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace(" AS collection\n", " AS collection\nRUN no-such-command\n"))
    docker("build", source)
    assert "no-such-command" in build_fails(source, "--target=bare")


LINKED = {
    "psycopg==3.3.8": "ca50af6072ba9ea6866f33021975230c2555d7bfdb9d8f94ca3af5c3d1bf2167",
    "psycopg-c==3.3.8": "af81a99b02600e6c2cdf468509c04bb8208500ea60d63f70616e32ea9cb2758f",
}


def test_package_compiled_here_finds_its_library_or_the_build_names_it(docker, runtime, source):
    lock = source / "requirements/runtime.txt"
    lock.write_text(lock.read_text() + "".join(f"{name} --hash=sha256:{digest}\n" for name, digest in LINKED.items()))
    assert "libpq.so.5 => not found" in build_fails(source, "--target=bare")

    dockerfile = source / "Dockerfile"
    install = "RUN apt-get update && apt-get install --yes --no-install-recommends libpq5\n"
    dockerfile.write_text(dockerfile.read_text().replace(" AS installed\n", f" AS installed\n{install}"))
    docker("build", "--target=bare", "--tag=hello:native", source)
    code = "import psycopg; print(psycopg.pq.__impl__, psycopg.pq.version() > 0)"
    found = docker("run", "--rm", "hello:native", "python", "-c", code).stdout
    docker("image", "rm", "hello:native")
    assert found == "c True\n"


def test_same_wheel_and_digests_from_other_folders_dates_and_umasks(docker):
    lines = run("make", "--silent", "reproduce", cwd=ROOT).stdout.splitlines()
    assert [line.split()[0] for line in lines[-6::2]] == ["wheel", "runtime", "bare"]
    assert [line.split()[-1] for line in lines[-6::2]] == [line.split()[-1] for line in lines[-5::2]]


# The parts list


@pytest.fixture(scope="module")
def parts(docker):
    """A function that returns the names of an image's packages, as `make sbom` lists them."""
    run("make", "--silent", "sbom", cwd=ROOT)

    def listed(image):
        name = "bare" if image.endswith(":bare") else "runtime"
        components = json.loads((ROOT / f"dist/{name}.cdx.json").read_text())["components"]
        return {component["name"] for component in components if component.get("purl")}

    return listed


def test_every_distribution_is_a_part(parts, image, container):
    names = "print(*(each.name for each in importlib.metadata.distributions()))"
    distributions = container.python(f"import importlib.metadata; {names}").lower().replace("_", "-").split()
    assert "flask" in distributions
    assert set(distributions) - parts(image) == set()


def test_every_library_is_of_a_package_that_is_a_part(docker, parts, runtime, image, container):
    libraries = container.python(WALK.replace("CONDITION", "path.startswith('/usr/lib/') and '.so' in path")).split()
    owners = docker("run", "--rm", runtime, "dpkg-query", "--search", *libraries).stdout.splitlines()
    assert len(owners) == len(libraries) > 10
    assert {owner.partition(":")[0] for owner in owners} - parts(image) == set()
