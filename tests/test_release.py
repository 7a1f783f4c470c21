"""A release: the same source gives the same bytes, browsers notice a change, and release/verify tells what differs."""

import json
import os
import re
import shutil
import subprocess
import tomllib

import pytest
from project import ROOT, RUN, commit, edit, missing, run
from servers import Process, free_port

SOURCE = "Dockerfile .dockerignore .gitattributes LICENSE pyproject.toml requirements docker hello_app"
# The stages that both images have are built anew once for both.
ANEW = {"runtime": "--no-cache", "bare": "--no-cache-filter=collection,bare"}


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Two copies with other names, dates and umasks, of which one is a checkout with CRLF line endings."""
    folder = tmp_path_factory.mktemp("reproduce")
    one, other = folder / "one", folder / "another folder"
    one.mkdir()
    run("cp", "-r", *SOURCE.split(), one, cwd=ROOT)
    commit(one)
    run("git", "clone", "--quiet", "--config=core.autocrlf=true", one, other)
    for copy, umask, date in (one, 0o022, 1e9), (other, 0o077, 2e9):
        for path in copy.rglob("*"):
            path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
            os.utime(path, (date, date))
    return [one, other]


@pytest.mark.parametrize("target", ANEW)
def test_image_is_the_same(docker, copies, target):
    """It prints the digests, which a release of the commit has for this platform, where nothing is uncommitted."""
    for copy in copies:
        output = f"type=oci,dest={copy / target},tar=false"
        run(ROOT / "release/build", copy, target, output, ANEW[target], "--provenance=false", "--sbom=false")
    indexes = [json.loads((copy / target / "index.json").read_bytes()) for copy in copies]
    one, other = (index["manifests"][0]["digest"] for index in indexes)
    print(target, one, other, sep="\n  ")
    assert one == other


def test_changed_static_file_is_not_304_after_a_release_and_an_unchanged_one_is(docker, source, serve, tmp_path):
    """Werkzeug's ETag is of date, size and path, and a browser that has the file sends it."""
    static = source / "hello_app/static"
    static.mkdir()
    # RUN, because the cache would give the dates of a build that had the same files.
    (static / "same.css").write_text(f"a {RUN}")
    tags = []
    for number, content in enumerate("bcc"):
        (static / "changed.css").write_text(f"{content} {RUN}")
        name = f"{RUN}:release-{number}"
        if number < 2:
            output = f"type=oci,name={name},dest={tmp_path / 'image.tar'}"
            run(ROOT / "release/build", source, "bare", output, "--provenance=false")
            docker("load", "--quiet", f"--input={tmp_path / 'image.tar'}")
        else:  # a plain build
            docker("build", "--target=bare", f"--tag={name}", source)
        server = serve(name)
        tags.append([server.request(f"/static/{file}.css")[1]["ETag"] for file in ("same", "changed")])
        docker("image", "rm", "--force", name)
    (same, changed), *others = tags
    assert all(other[0] == same and other[1] != changed for other in others), tags
    assert others[0] == others[1], tags


REGISTRY = 'version: 0.1\nstorage: {{filesystem: {{rootdirectory: .}}}}\nhttp: {{addr: "127.0.0.1:{}"}}\n'
SCANNER = f"docker/buildkit-syft-scanner:{RUN}"  # any image, which finds nothing
# What a release has and its commit has not, how else it was built, and the status and the line of the answer.
CASES = {
    "runtime": ([], "--target=runtime", "0 The same to the byte: runtime of .*@sha256:.*"),
    "SBOM": ([], f"--sbom=generator={SCANNER}", "0 The same to the byte: bare of .*@sha256:.*"),
    "byte": (["hello_app/__init__.py", "d!", "D!"], "--quiet", '1 Different: .* layer 3, "COPY /out/app / .*'),
    "variable": (["Dockerfile", "ENV PATH=", "ENV PATH=/x:"], "--quiet", '1 Different: .* config.Env.0 "PATH=/x:.*'),
    "base": (["Dockerfile", "-slim AS app", " AS app"], "--quiet", "1 Different: base image python:3.14, .*"),
    "no provenance": ([], "--provenance=false", "2 Cannot verify .*: it has no SLSA 1 provenance .*"),
    "target": ([], "--target=installed", "2 Cannot verify .*: its target is installed, not runtime or bare"),
    "revision": ([], "--label=org.opencontainers.image.revision=0", "2 Cannot verify .*: it is of revision 0, .*"),
}


@pytest.fixture(scope="module")
def registry(docker, tmp_path_factory):
    for program in ("docker-registry", "jq"):
        if not shutil.which(program):
            missing(f"{program} is not installed")
    docker("tag", "python:3.14-slim", SCANNER)
    folder, port = tmp_path_factory.mktemp("registry"), free_port()
    (folder / "config.yml").write_text(REGISTRY.format(port))
    with Process(["docker-registry", "serve", "config.yml"], folder, folder / "log", port) as server:
        yield f"localhost:{server.wait_for_answer().port}/hello"
    docker("image", "rm", SCANNER)


@pytest.fixture
def verify(docker, source, tmp_path, monkeypatch):
    """A function that verifies an image with `source`, as a commit, and returns its status and what it says."""
    edit(source / "release/build", "level=19", "level=1")  # a fifth of the time
    edit(source / "Dockerfile", "FROM python:3.14 AS", "FROM python:3.14-slim AS")  # python:3.14 is another base then
    edit(source / "pyproject.toml", "[tool.ruff]\n", '[project.urls]\nSource = "https://localhost"\n[tool.ruff]\n')
    commit(source)
    monkeypatch.setenv("BUILDX_BUILDER", docker("context", "show").strip())
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))

    def verify(image):
        (tmp_path / "temporary").mkdir()
        done = subprocess.run([source / "release/verify", image], capture_output=True, text=True)
        (tmp_path / "temporary").rmdir()  # raises an error where something is left
        return f"{done.returncode} {done.stdout}{done.stderr}"

    return verify


@pytest.mark.parametrize(("change", "option", "said"), CASES.values(), ids=CASES)
def test_release_is_told_from_what_differs(docker, registry, verify, source, tmp_path, change, option, said):
    release, metadata = shutil.copytree(source, tmp_path / "release"), tmp_path / "metadata"
    if change:
        edit(release / change[0], *change[1:])
    edit(source / "hello_app/__init__.py", "world", "")  # not committed, so it does not count
    push = [f"type=image,name={registry},push=true", f"--metadata-file={metadata}", "--provenance=version=v1"]
    run(source / "release/build", release, "bare", *push, option)
    image = f"{registry}@{json.loads(metadata.read_text())['containerimage.digest']}"
    found = verify(image)
    assert re.fullmatch(f"{said}\n", found), found
    labels = docker("buildx", "imagetools", "inspect", "--format={{json .Image.Config.Labels}}", image)
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    expected = {project["name"], project["version"], project["description"], project["urls"]["Source"]}
    assert expected < {*json.loads(labels).values()}


@pytest.mark.parametrize(("tail", "reason"), [("", "name it by digest"), (f"-none@sha256:{64 * '0'}", "not found")])
def test_what_is_no_image_is_said(registry, verify, tail, reason):
    found = verify(tail and registry + tail)
    assert re.fullmatch(f"2 Cannot verify .*: .*{reason}.*\n", found), found
