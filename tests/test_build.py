"""What enters a build, what it runs, and when it fails."""

import gzip
import re
import subprocess
import time

import pytest
from project import ROOT, RUN, commit, edit, members
from servers import free_port

BOTH = pytest.mark.parametrize("target", ["runtime", "bare"])


def build_fails(*options):
    """Return the output of a build that must fail."""
    done = subprocess.run(["docker", "build", *options], capture_output=True, text=True)
    assert done.returncode != 0
    return done.stderr


@pytest.fixture
def secrets(source):
    """A repository with secrets, all committed."""
    for name in (".env", "id_rsa", "hello_app/.env", "hello_app/.git/config", "hello_app/static/.env"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text("top secret")
    (source / "hello_app/static/public").write_text("published")
    commit(source)
    return source


@pytest.fixture(params=["folder", "tar", "git"])
def context(request, secrets):
    """The repository as a context of each kind: arguments of `docker build`, and what it reads."""
    if request.param == "folder":
        yield [str(secrets)], None
    elif request.param == "tar":
        yield ["-"], subprocess.run(["tar", "c", "."], cwd=secrets, capture_output=True, check=True).stdout
    else:
        port = free_port()
        command = ["git", "daemon", "--export-all", f"--base-path={secrets.parent}", "--listen=127.0.0.1"]
        daemon = subprocess.Popen([*command, f"--port={port}"], stderr=subprocess.DEVNULL)
        url = f"git://127.0.0.1:{port}/source/.git"
        while subprocess.run(["git", "ls-remote", url], capture_output=True).returncode:
            assert daemon.poll() is None
            time.sleep(0.05)
        yield [url], None
        daemon.terminate()
        daemon.wait()


@BOTH
def test_no_layer_has_a_secret(docker, layers, context, target, tmp_path):
    arguments, stdin = context
    name = f"{RUN}:{tmp_path.name}"
    command = ["docker", "build", "--quiet", f"--target={target}", f"--tag={name}", *arguments]
    subprocess.run(command, input=stdin, check=True, capture_output=True)
    found = layers(name)
    docker("image", "rm", name)
    assert any(b"published" in layer for layer in found)
    assert not any(b"top secret" in layer for layer in found)
    assert [
        file.name for layer in found for file in members(layer) if re.search(r"/\.env|/\.git|id_rsa", file.name)
    ] == []


def test_allow_list_admits_only_what_it_names(docker, secrets, tmp_path):
    docker("build", "--file=-", f"--output={tmp_path / 'out'}", secrets, input="FROM scratch\nCOPY . /\n")
    entered = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    docker_folder = {f"docker/{path.name}" for path in (ROOT / "docker").iterdir() if path.is_file()}
    locks = {f"requirements/{path.name}" for path in (ROOT / "requirements").iterdir()}
    package = {"hello_app/__init__.py", "hello_app/static/public"}
    assert entered - docker_folder - locks == {
        "LICENSE",
        "README.md",
        "adopt.py",
        "pyproject.toml",
        "wsgi.py",
        *package,
    }


IMPORTED = """
import os, pathlib
if os.getuid() == 0:
    raise RuntimeError("run as root")
os.environ["SECRET"]
pathlib.Path("/tmp/written-by-an-import").touch()
"""


@BOTH
def test_build_runs_none_of_the_apps_code(source, build, serve, layers, target):
    app = source / "hello_app/__init__.py"
    app.write_text(IMPORTED + app.read_text())
    image = build(source, f"--target={target}")
    assert [
        file.name for layer in layers(image) for file in members(layer) if "written-by-an-import" in file.name
    ] == []
    assert serve(image, options=["--env=SECRET=x"]).request()[0] == 200


def test_code_change_pushes_one_layer_of_less_than_4_kB(source, build, layers):
    # Of several equal layers in the cache any can be taken, with other dates: those of this build have no equal.
    edit(source / "Dockerfile", " AS installed\n", f" AS installed\nRUN echo BUILD_ID={source} >> /etc/os-release\n")
    before = [layers(build(source, f"--target={target}")) for target in ("runtime", "bare")]
    edit(source / "hello_app/__init__.py", "Hello world!", "Hello, world!")
    for old, target in zip(before, ("runtime", "bare"), strict=True):
        new = layers(build(source, f"--target={target}"))
        assert [one == other for one, other in zip(old, new, strict=True)] == [True] * (len(new) - 1) + [False]
        assert len(gzip.compress(new[-1])) < 4000


def test_default_build_does_not_build_bare(source, build):
    edit(source / "Dockerfile", " AS collection\n", " AS collection\nRUN no-such-command\n")
    build(source)
    assert "no-such-command" in build_fails("--target=bare", source)


def test_build_fails_where_a_locked_package_has_no_hash(docker, source):
    lock = source / "requirements/runtime.txt"
    lock.write_text(re.sub(r" \\\n    --hash=.*", "", lock.read_text()))
    assert "Hashes are required" in build_fails(source)


def test_build_check_finds_nothing(docker):
    docker("build", "--check", ROOT)


def test_python_version_is_the_same_wherever_it_stands():
    named = r"(?:python:|/python|--python-version |distroless Python )(3\.\d+)"
    places = [*ROOT.glob("*.md"), *ROOT.glob("benchmarks/**/*Dockerfile"), ROOT / "Dockerfile"]
    assert len({version for path in places for version in re.findall(named, path.read_text())}) == 1
