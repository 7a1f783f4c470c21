"""`release/verify` tells a release from an image that differs, and says what it cannot tell."""

import json
import re
import shutil
import subprocess
import tomllib

import pytest
from project import RUN, commit, edit, missing, run
from servers import Process, free_port

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
    expected = {"source": project["urls"]["Source"], "title": project["name"], "version": project["version"]}
    expected["description"] = project["description"]
    assert expected.items() < {name.rpartition(".")[2]: value for name, value in json.loads(labels).items()}.items()


@pytest.mark.parametrize(("tail", "reason"), [("", "name it by digest"), (f"-none@sha256:{64 * '0'}", "not found")])
def test_what_is_no_image_is_said(registry, verify, tail, reason):
    found = verify(tail and registry + tail)
    assert re.fullmatch(f"2 Cannot verify .*: .*{reason}.*\n", found), found
