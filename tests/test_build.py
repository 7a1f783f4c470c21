"""What enters a build, what it runs, and when it fails."""

import re
import subprocess

import pytest
from project import ROOT, commit, members, run
from servers import Process, free_port


@pytest.fixture
def secrets(source):
    """A repository with secrets, all committed."""
    hidden = (".env", "hello_app/.env", "hello_app/.git/config", "hello_app/static/.env")
    for name in (*hidden, "id_rsa", "src/x.egg-info/SOURCES.txt"):
        (source / name).parent.mkdir(exist_ok=True, parents=True)
        (source / name).write_text("top secret")
    (source / "hello_app/static/public").write_text("published")
    commit(source)
    return source


@pytest.mark.parametrize(("kind", "target"), [("folder", "bare"), ("tar", "runtime"), ("git", "bare")])
def test_no_layer_has_a_secret(build, layers, secrets, tmp_path, kind, target):
    port, archive = free_port(), tmp_path / "tar"
    run("tar", "--create", f"--file={archive}", ".", cwd=secrets)
    command = ["git", "daemon", "--export-all", f"--base-path={secrets}", "--listen=127.0.0.1", f"--port={port}"]
    with Process(command, secrets, tmp_path / "log", port) as git, archive.open() as stdin:
        context = {"folder": secrets, "tar": "-", "git": f"git://127.0.0.1:{port}/.git"}
        listing = ["git", "ls-remote", context["git"]]
        git.wait(lambda: not subprocess.run(listing, capture_output=True).returncode, "the git daemon")
        found = layers(build(f"--target={target}", context[kind], stdin=stdin))
    assert any(b"published" in layer for layer in found)
    assert not any(b"top secret" in layer for layer in found)


def test_allow_list_admits_only_what_it_names(docker, secrets, tmp_path):
    docker("build", "--file=-", f"--output={tmp_path / 'out'}", secrets, input="FROM scratch\nCOPY . /\n")
    entered = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    others = {str(path.relative_to(ROOT)) for path in (*ROOT.glob("docker/*.*"), *ROOT.glob("requirements/*"))}
    package = {"hello_app/__init__.py", "hello_app/static/public"}
    assert entered - others == package | {"LICENSE", "README.md", "adopt.py", "pyproject.toml", "wsgi.py"}


IMPORTED = """
import os, pathlib
if os.getuid() == 0:
    raise RuntimeError("run as root")
os.environ["SECRET"]
pathlib.Path("/tmp/written-by-an-import").touch()
"""


def test_build_runs_none_of_the_apps_code(source, build, serve, layers):
    app = source / "hello_app/__init__.py"
    app.write_text(IMPORTED + app.read_text())
    image = build("--target=bare", source)  # its stages are runtime's and one more
    names = [file.name for layer in layers(image) for file in members(layer)]
    assert [name for name in names if "written-by-an-import" in name] == []
    assert serve(image, options=["--env=SECRET=x"]).request()[0] == 200


def test_build_fails_where_a_locked_package_has_no_hash(build, source):
    lock = source / "requirements/runtime.txt"
    lock.write_text(re.sub(r" \\\n    --hash=.*", "", lock.read_text()))
    with pytest.raises(pytest.fail.Exception, match="Hashes are required"):
        build(source)


def test_python_version_is_the_same_wherever_it_stands():
    named = r"(?:python:|/python|--python-version |distroless Python )(3\.\d+)"
    places = [*ROOT.glob("*.md"), *ROOT.glob("benchmarks/**/*Dockerfile"), ROOT / "Dockerfile"]
    assert len({version for path in places for version in re.findall(named, path.read_text())}) == 1
