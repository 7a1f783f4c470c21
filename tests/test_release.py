"""The same source gives the same bytes, and release/verify tells what differs."""

import json
import os
import re
import shutil
import subprocess
import tomllib

import pytest
from images import inspect, read_files, read_layers
from servers import Process, free_port
from shell import RUN, commit, edit, require, run


@pytest.fixture
def copies(source, tmp_path):
    """Two copies that differ in names, dates, umask and line endings."""
    commit(source)
    second = tmp_path / "another folder"
    run("git", "clone", "-q", "--config=core.autocrlf=true", source, second)
    for copy, umask, date in (source, 0o022, 1e9), (second, 0o077, 2e9):
        for path in copy.rglob("*"):
            path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
            os.utime(path, (date, date))
    return [source, second]


@pytest.mark.parametrize("target", ["runtime", "bare"])
def test_builds_without_a_cache_make_the_same_layers(build, copies, target):
    """It prints the digest, which is the same only where SOURCE_DATE_EPOCH is given."""
    options = ["--no-cache", "--provenance=false", f"--target={target}"]
    epoch = "--build-arg=SOURCE_DATE_EPOCH=315532800"
    first, second = (inspect(build(*options, epoch, copy)) for copy in copies)
    plain = inspect(build(*options, copies[0]))
    print(target, first["Id"], second["Id"], sep="\n  ")
    assert plain["RootFS"] == first["RootFS"] == second["RootFS"]
    assert first["Id"] == second["Id"]


def test_layer_that_deletes_files_has_no_other_files(runtime):
    """Docker's classic image store dates deletions, so that layer always differs."""
    for files in map(read_files, read_layers(runtime)):
        names = [name for name, content in files.items() if content is not None]
        deletions = [name for name in names if "/.wh." in name]
        assert deletions in ([], names)


def test_changed_static_file_is_not_304_and_an_unchanged_one_is(build, source, serve):
    """Flask's ETag is of date, size and path; a browser that has the file sends it."""
    static = source / "hello_app/static"
    static.mkdir()
    etags = []
    for content in "bc":
        # With RUN in it, because another build's cache could have these files.
        (static / "same.css").write_text(f"a {RUN}")
        (static / "changed.css").write_text(f"{content} {RUN}")
        server = serve(build("--target=bare", source))
        for name in ("same", "changed"):
            etags.append(server.request(f"/static/{name}.css")[1]["ETag"])
    assert etags[0] == etags[2] and etags[1] != etags[3]


REGISTRY = """
version: 0.1
storage: {{filesystem: {{rootdirectory: .}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@pytest.fixture(scope="module")
def registry(docker, tmp_path_factory):
    """The name of an image in a registry of this machine."""
    for program in ("docker-registry", "jq"):
        require(shutil.which(program), f"{program} is not installed")
    folder, port = tmp_path_factory.mktemp("registry"), free_port()
    (folder / "config.yml").write_text(REGISTRY.format(port=port))
    command = ["docker-registry", "serve", "config.yml"]
    with Process(command, folder, port) as server:
        yield f"localhost:{server.wait_for_answer().port}/hello"


@pytest.fixture
def checkout(docker, build, source, monkeypatch):
    """A commit of the project on a base image of its own, which tests can replace."""
    base = build("-", input="FROM python:3.14-slim\n")
    tags = [f"{RUN}/slim:base", f"{RUN}/slim:kept"]
    for tag in tags:
        docker("tag", base, tag)
    edit(source / "Dockerfile", "FROM python:3.14-slim", f"FROM {tags[0]}")
    # Faster. Other tests may get these layers from the cache: Python 3.11 has no zstd.
    edit(source / "release/build", "zstd,compression-level=19", "gzip")
    url = '[project.urls]\nSource = "https://localhost"\n[tool.ruff]\n'
    edit(source / "pyproject.toml", "[tool.ruff]\n", url)
    commit(source)
    monkeypatch.setenv("BUILDX_BUILDER", docker("context", "show").strip())
    yield source
    docker("image", "rm", *tags)


@pytest.fixture
def release(checkout, registry, tmp_path):
    """A function that releases the files of the checkout, and returns the image."""

    def push(*options):
        output = f"type=image,name={registry},push=true,store=false"
        metadata = tmp_path / "metadata"
        command = [checkout / "release/build", checkout, "bare", output]
        run(*command, f"--metadata-file={metadata}", *options)
        pushed = json.loads(metadata.read_text())
        return f"{registry}@{pushed['containerimage.digest']}"

    return push


def verify(checkout, image):
    """Return the status and the words of release/verify."""
    command = [checkout / "release/verify", image]
    done = subprocess.run(command, capture_output=True, text=True)
    return f"{done.returncode} {done.stdout}{done.stderr}"


def test_release_is_rebuilt_to_the_byte_on_its_own_base_image(
    docker, build, checkout, release
):
    image = release("--sbom=generator=python:3.14-slim")  # which lists nothing
    newer = build("-", input=f"FROM {RUN}/slim:base\nRUN echo >> /etc/services\n")
    docker("tag", newer, f"{RUN}/slim:base")
    edit(checkout / "hello_app/__init__.py", "world", "")  # HEAD counts, not this
    assert "0 The same to the byte: bare for linux/" in verify(checkout, image)


def test_release_has_labels_of_the_project(docker, checkout, release):
    template = "--format={{json .Image.Config.Labels}}"
    labels = docker("buildx", "imagetools", "inspect", template, release())
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    expected = [project["name"], project["version"], project["description"]]
    assert {*expected, "https://localhost"} < {*json.loads(labels).values()}


def test_release_of_other_files_than_the_commits_is_told(checkout, release):
    edit(checkout / "hello_app/__init__.py", "d!", "D!")
    assert "1 Different: linux/" in verify(checkout, release())


@pytest.mark.parametrize("option", ["--provenance=false", "--target=installed"])
def test_release_without_its_provenance_is_told(checkout, release, option):
    assert "2 Cannot verify" in verify(checkout, release(option))


@pytest.mark.parametrize("name", ["", "{}-none@sha256:" + 64 * "0"])
def test_name_that_is_no_image_is_told(registry, checkout, name):
    words = verify(checkout, name.format(registry))
    assert re.fullmatch("2 Cannot verify .*(NAME@sha256:DIGEST|not found).*\n", words)
