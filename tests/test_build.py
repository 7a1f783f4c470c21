"""What enters a build, what it runs, and when it fails."""

import re
import subprocess

import pytest
from layers import files
from servers import Process, free_port
from shell import ROOT, commit, edit, run

HIDDEN = [
    ".env",
    "hello_app/.env",
    "hello_app/.git/config",
    "hello_app/static/.env",
    "hello_app/static/.well-known/.env",
]
PUBLIC = [
    "hello_app/static/public",
    "hello_app/static/.well-known/assetlinks.json",
    "hello_app/static/dist/.vite/manifest.json",
]


@pytest.fixture
def secrets(source):
    """A repository with secrets and public files, all committed."""
    outside = ["id_rsa", "src/x.egg-info/SOURCES.txt"]
    texts = dict.fromkeys(HIDDEN + outside, "top secret")
    for name, text in (texts | dict.fromkeys(PUBLIC, "open to all")).items():
        (source / name).parent.mkdir(exist_ok=True, parents=True)
        (source / name).write_text(text)
    commit(source)
    return source


KINDS = [("folder", "bare"), ("tar", "runtime"), ("git", "bare")]


@pytest.mark.parametrize(("kind", "target"), KINDS)
def test_no_layer_has_a_secret(build, layers, secrets, tmp_path, kind, target):
    """The public files beside the secrets are there."""
    port, archive = free_port(), tmp_path / "tar"
    run("tar", "--create", f"--file={archive}", ".", cwd=secrets)
    url = f"git://127.0.0.1:{port}/.git"
    command = ["git", "daemon", "--export-all", f"--base-path={secrets}"]
    command += ["--listen=127.0.0.1", f"--port={port}"]
    with (
        Process(command, secrets, tmp_path / "log", port) as git,
        archive.open() as tar,
    ):
        git.wait(lambda: answers(url), "the git daemon")
        context = {"folder": secrets, "tar": "-", "git": url}[kind]
        built = layers(build(f"--target={target}", context, stdin=tar))
    assert sum(layer.count(b"open to all") for layer in built) == len(PUBLIC)
    assert not any(b"top secret" in layer for layer in built)


def answers(url):
    return not subprocess.run(["git", "ls-remote", url], capture_output=True).returncode


def test_allow_list_admits_only_what_it_names(docker, secrets, tmp_path):
    output = f"--output={tmp_path / 'out'}"
    docker("build", "--file=-", output, secrets, input="FROM scratch\nCOPY . /\n")
    paths = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    entered = {str(path.relative_to(tmp_path / "out")) for path in paths}
    pattern = [*ROOT.glob("docker/*.*"), *ROOT.glob("requirements/*")]
    entered -= {str(path.relative_to(ROOT)) for path in pattern}
    # The Dockerfile deletes this one, because it deletes all hidden files.
    entered.remove("hello_app/static/.well-known/.env")
    beside = {"LICENSE", "README.md", "adopt.py", "pyproject.toml", "wsgi.py"}
    assert entered == {"hello_app/__init__.py", *PUBLIC, *beside}


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
    names = [name for layer in layers(image) for name in files(layer)]
    assert [name for name in names if "written-by-an-import" in name] == []
    assert serve(image, options=["--env=SECRET=x"]).request()[0] == 200


def test_build_fails_where_a_locked_package_has_no_hash(build, source):
    lock = source / "requirements/runtime.txt"
    lock.write_text(re.sub(r" \\\n    --hash=.*", "", lock.read_text()))
    with pytest.raises(pytest.fail.Exception, match="Hashes are required"):
        build(source)


# libpq of the full image links libldap, which slim lacks.
LINKED = """
COPY --from=dependencies /usr/lib/*-linux-gnu/libpq.so.5 \
    /usr/local/lib/python3.14/site-packages/linked/
"""


def test_build_names_a_missing_library_and_the_page_that_helps(docker, source):
    stage = " AS installed\n"
    edit(source / "Dockerfile", stage, stage + LINKED)
    command = ["docker", "build", "--progress=plain", "--target=installed"]
    command += ["--no-cache-filter=installed", source]
    log = subprocess.run(command, capture_output=True, text=True).stderr
    message = r"./linked/libpq\.so\.5: libldap\S* is missing: see ADOPTING\.md"
    assert re.search(message, log), log


def test_python_version_is_the_same_wherever_it_stands():
    version = r"(?:python:|/python)(3\.\d+)"
    places = ("*.md", "*.py", "*.svg", "*Dockerfile")
    names = run("git", "ls-files", *places, cwd=ROOT).splitlines()
    texts = [(ROOT / name).read_text() for name in names]
    assert len({match for text in texts for match in re.findall(version, text)}) == 1
