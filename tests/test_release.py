"""The same source gives the same bytes, and release/verify tells what differs."""

import json
import os
import re
import shutil
import subprocess
import tomllib

import pytest
from layers import files
from servers import Process, free_port
from shell import ROOT, RUN, commit, edit, missing, run

SOURCE = "Dockerfile .dockerignore .gitattributes LICENSE pyproject.toml"
SOURCE += " requirements docker hello_app"


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Two copies that differ in names, dates, umask and line endings."""
    folder = tmp_path_factory.mktemp("reproduce")
    first, second = folder / "first", folder / "another folder"
    first.mkdir()
    run("cp", "-r", *SOURCE.split(), first, cwd=ROOT)
    commit(first)
    run("git", "clone", "-q", "--config=core.autocrlf=true", first, second)
    for copy, umask, date in (first, 0o022, 1e9), (second, 0o077, 2e9):
        for path in copy.rglob("*"):
            path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
            os.utime(path, (date, date))
    return [first, second]


def build(docker, folder, *options):
    """Build without a cache, and return the digests of the layers and of the image."""
    output = f"--output=type=oci,tar=false,dest={folder}/image"
    docker("build", "--no-cache", "--provenance=false", output, *options, folder)
    index = json.loads((folder / "image/index.json").read_text())
    digest = index["manifests"][0]["digest"]
    manifest = (folder / "image/blobs" / digest.replace(":", "/")).read_text()
    shutil.rmtree(folder / "image")
    return [layer["digest"] for layer in json.loads(manifest)["layers"]], digest


@pytest.mark.parametrize("target", ["runtime", "bare"])
def test_builds_without_a_cache_make_the_same_layers(docker, copies, target):
    """It prints the digest, which is the same only where SOURCE_DATE_EPOCH is given."""
    first, second = copies
    epoch = "--build-arg=SOURCE_DATE_EPOCH=315532800"
    plain_layers, _ = build(docker, first, f"--target={target}")
    first_layers, first_digest = build(docker, first, f"--target={target}", epoch)
    second_layers, second_digest = build(docker, second, f"--target={target}", epoch)
    print(target, first_digest, second_digest, sep="\n  ")
    assert plain_layers == first_layers == second_layers
    assert first_digest == second_digest


def test_layer_that_deletes_files_has_no_other_files(layers, runtime):
    """Docker's classic image store dates deletions, so that layer always differs."""
    for layer in layers(runtime):
        names = [name for name, content in files(layer).items() if content is not None]
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
        etags.append(
            {
                name: server.request(f"/static/{name}.css")[1]["ETag"]
                for name in ("same", "changed")
            }
        )
    before, after = etags
    assert before["same"] == after["same"]
    assert before["changed"] != after["changed"]


REGISTRY = """
version: 0.1
storage: {{filesystem: {{rootdirectory: .}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
SCANNER = f"docker/buildkit-syft-scanner:{RUN}"  # any image, which lists nothing


@pytest.fixture(scope="module")
def registry(docker, tmp_path_factory):
    """The name of an image in a registry of this machine."""
    for program in ("docker-registry", "jq"):
        if not shutil.which(program):
            missing(f"{program} is not installed")
    docker("build", "--tag", SCANNER, "-", input="FROM python:3.14-slim\n")
    folder, port = tmp_path_factory.mktemp("registry"), free_port()
    (folder / "config.yml").write_text(REGISTRY.format(port=port))
    command = ["docker-registry", "serve", "config.yml"]
    with Process(command, folder, folder / "log", port) as server:
        yield f"localhost:{server.wait_for_answer().port}/hello"
    docker("image", "rm", SCANNER)


@pytest.fixture
def checkout(docker, source, monkeypatch):
    """A commit of the project on a base image of its own, which tests can replace."""
    base = f"{RUN}/slim:base"
    docker("build", "--tag", base, "-", input="FROM python:3.14-slim\n")
    edit(source / "Dockerfile", "FROM python:3.14-slim", f"FROM {base}")
    edit(source / "release/build", "level=19", "level=1")  # a fifth of the time
    url = '[project.urls]\nSource = "https://localhost"\n[tool.ruff]\n'
    edit(source / "pyproject.toml", "[tool.ruff]\n", url)
    commit(source)
    monkeypatch.setenv("BUILDX_BUILDER", docker("context", "show").strip())
    yield source
    docker("image", "rm", base)


@pytest.fixture
def release(checkout, registry, tmp_path):
    """A function that releases the checkout, changed, and returns the image's name."""

    def push(*options, change=None):
        folder = shutil.copytree(checkout, tmp_path / "release")
        if change:
            edit(folder / change[0], *change[1:])
        output = f"type=image,name={registry},push=true"
        metadata = f"--metadata-file={tmp_path / 'metadata'}"
        command = [checkout / "release/build", folder, "bare", output, metadata]
        run(*command, *options)
        pushed = json.loads((tmp_path / "metadata").read_text())
        return f"{registry}@{pushed['containerimage.digest']}"

    return push


@pytest.fixture
def verify(checkout, tmp_path, monkeypatch):
    """A function that returns the status and the words of release/verify."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))

    def verify(image):
        command = [checkout / "release/verify", image]
        done = subprocess.run(command, capture_output=True, text=True)
        assert not [*(tmp_path / "temporary").iterdir()], "files are left"
        return f"{done.returncode} {done.stdout}{done.stderr}"

    return verify


def test_release_is_rebuilt_to_the_byte(docker, checkout, release, verify):
    image = release(f"--sbom=generator={SCANNER}")
    edit(checkout / "hello_app/__init__.py", "world", "")  # HEAD counts, not this
    assert verify(image).startswith("0 The same to the byte: bare for linux/")
    template = "--format={{json .Image.Config.Labels}}"
    labels = docker("buildx", "imagetools", "inspect", template, image)
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    expected = [project["name"], project["version"], project["description"]]
    assert {*expected, "https://localhost"} < {*json.loads(labels).values()}


def test_release_is_rebuilt_on_its_own_base_image(docker, build, release, verify):
    docker("tag", f"{RUN}/slim:base", f"{RUN}/slim:kept")
    image = release()
    newer = build("-", input=f"FROM {RUN}/slim:base\nRUN echo >> /etc/services\n")
    docker("tag", newer, f"{RUN}/slim:base")
    assert verify(image).startswith("0 The same to the byte")
    docker("image", "rm", f"{RUN}/slim:kept")


CHANGES = {
    "byte": ["hello_app/__init__.py", "d!", "D!"],
    "setting": ["Dockerfile", "ENV PATH=", "ENV PATH=/x:"],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_release_that_differs_is_told(release, verify, change):
    assert verify(release(change=change)).startswith("1 Different: linux/")


@pytest.mark.parametrize("option", ["--provenance=false", "--target=installed"])
def test_release_without_its_provenance_is_told(release, verify, option):
    assert "2 Cannot verify" in verify(release(option))


@pytest.mark.parametrize("name", ["", "{}-none@sha256:" + 64 * "0"])
def test_name_that_is_no_image_is_told(registry, verify, name):
    words = verify(name.format(registry))
    assert re.fullmatch("2 Cannot verify .*(NAME@sha256:DIGEST|not found).*\n", words)


@pytest.fixture
def clone(tmp_path):
    """A dated version on main, in a clone of a repository that refuses tags."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    (clone / "release").mkdir(parents=True)
    shutil.copy(ROOT / "release/tag", clone / "release")
    (clone / "pyproject.toml").write_text('version = "1.0"\n')
    (clone / "CHANGELOG.md").write_text("## [1.0] - 2026-01-01\n")
    commit(clone)
    run("git", "clone", "--quiet", "--bare", clone, origin)
    (origin / "hooks/update").write_text("#!/bin/sh\n! expr $1 : refs/tags\n")
    (origin / "hooks/update").chmod(0o755)
    setup = f"git branch --move main; git remote add origin {origin}"
    setup += "; git config user.name t; git config user.email t@localhost"
    run("sh", "-ec", setup, cwd=clone)
    return clone


def tag(clone):
    """Run release/tag, and return its status and the tags here and in the origin."""
    status = subprocess.run([clone / "release/tag"]).returncode
    folders = clone, clone.parent / "origin"
    return status, *(run("git", "tag", cwd=folder) for folder in folders)


def test_refused_push_leaves_no_tag_and_can_be_repeated(clone):
    assert tag(clone) == (1, "", "")
    (clone.parent / "origin/hooks/update").unlink()
    assert tag(clone) == (0, "v1.0\n", "v1.0\n")


WRONG = {
    "branch": "git switch --create=x",
    "dirty": "touch x",
    "undated": "echo '## [1.0]' > CHANGELOG.md; git commit --all --message=x",
}


@pytest.mark.parametrize("command", WRONG.values(), ids=WRONG)
def test_release_needs_main_a_clean_tree_and_a_dated_entry(clone, command):
    (clone.parent / "origin/hooks/update").unlink()
    run("sh", "-ec", command, cwd=clone)
    assert tag(clone) == (1, "", "")
