"""What enters a build, what it runs, and when it fails."""

import re
import subprocess

import pytest
from images import all_files
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


@pytest.fixture
def git_url(secrets):
    """The URL by which a git daemon serves the repository."""
    port = free_port()
    url = f"git://127.0.0.1:{port}/.git"
    command = ["git", "daemon", "--export-all", f"--base-path={secrets}"]
    command += ["--listen=127.0.0.1", f"--port={port}"]
    look = ["git", "ls-remote", url]
    with Process(command, secrets, port) as daemon:
        daemon.wait(
            lambda: subprocess.run(look, capture_output=True).returncode == 0,
            "the daemon served",
        )
        yield url


def test_no_layer_has_a_secret_of_a_folder_a_tar_or_a_git_url(
    build, secrets, git_url, tmp_path
):
    """The public files beside the secrets are there."""
    run("tar", "--create", f"--file={tmp_path}/tar", ".", cwd=secrets)
    with (tmp_path / "tar").open() as archive:
        images = {
            "folder": build("--target=bare", secrets),
            "tar": build("-", stdin=archive),
            "git": build("--target=bare", git_url),
        }
    for context, image in images.items():
        files = [(name, content) for name, content in all_files(image) if content]
        secret = [name for name, content in files if b"top secret" in content]
        public = [name for name, content in files if b"open to all" in content]
        assert (secret, len(public)) == ([], len(PUBLIC)), context


def test_allow_list_admits_only_what_it_names(docker, secrets, tmp_path):
    folder = tmp_path / "entered"
    dockerfile = "FROM scratch\nCOPY . /\n"
    docker("build", "--file=-", f"--output={folder}", secrets, input=dockerfile)
    paths = [path for path in folder.rglob("*") if path.is_file()]
    pattern = [*ROOT.glob("docker/[!._]*"), *ROOT.glob("requirements/*.txt")]
    expected = {str(path.relative_to(ROOT)) for path in pattern}
    expected |= {"LICENSE", "README.md", "adopt.py", "pyproject.toml", "wsgi.py"}
    expected |= {"hello_app/__init__.py", *PUBLIC}
    # The Dockerfile deletes this one, because it deletes all hidden files.
    expected.add("hello_app/static/.well-known/.env")
    assert {str(path.relative_to(folder)) for path in paths} == expected


IMPORTED = """
import os, pathlib
if os.getuid() == 0:
    raise RuntimeError("run as root")
os.environ["SECRET"]
pathlib.Path("/tmp/written-by-an-import").touch()
"""


def test_build_runs_none_of_the_apps_code(source, build, serve):
    app = source / "hello_app/__init__.py"
    app.write_text(IMPORTED + app.read_text())
    image = build("--target=bare", source)  # its stages are runtime's and one more
    assert [
        name for name, _ in all_files(image) if "written-by-an-import" in name
    ] == []
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
    version = re.compile(r"(?:python:|/python|--python-version )(3\.\d+)")
    places = ("*.md", "*.py", "*.svg", "*Dockerfile")
    names = run("git", "ls-files", *places, cwd=ROOT).splitlines()
    texts = {name: (ROOT / name).read_text() for name in names}
    versions = {name: {*version.findall(text)} for name, text in texts.items()}
    assert len(set().union(*versions.values())) == 1, versions
