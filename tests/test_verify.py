"""`deploy/verify.py` tells a release from what only says that it is one."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib

import pytest
from servers import Process, free_port, run
from test_build import commit, edit

# What Docker takes for amd64.
ALIAS = {"os": "linux", "architecture": "x86_64"}
ZEROS = "blobs/sha256/" + "0" * 64
CONFIG = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@pytest.fixture(scope="module")
def registry(docker, tmp_path_factory):
    """The address of a registry, in front of the name of an image."""
    if not shutil.which("docker-registry"):
        (pytest.fail if os.environ.get("REQUIRE_DOCKER") else pytest.skip)("docker-registry is not installed")
    folder, port = tmp_path_factory.mktemp("registry"), free_port()
    (folder / "config.yml").write_text(CONFIG.format(folder=folder, port=port))
    with Process(["docker-registry", "serve", "config.yml"], folder, folder / "log", port) as server:
        server.wait_for_answer()
        yield f"localhost:{port}"


@pytest.fixture
def release(docker, source):
    """A function that builds a target as a release of a commit, from that or from another folder, with less effort."""
    edit(source / "release/build", "level=19", "level=1")
    edit(
        source / "pyproject.toml",
        "[tool.ruff]\n",
        '[project.urls]\nSource = "https://localhost/hello"\n\n[tool.ruff]\n',
    )
    commit(source)

    def build(output, *options, context=source, target="bare"):
        run(source / "release/build", context, target, output, "--quiet", "--provenance=version=v1", *options)

    return build


@pytest.fixture
def pushed(registry, release, tmp_path):
    """A function that pushes such an image, and returns its name."""
    name = f"{registry}/{tmp_path.name.replace('_', '').lower()}:tag"

    def push(*options, **keywords):
        release(f"type=image,name={name},push=true", *options, **keywords)
        return name

    return push


@pytest.fixture
def verify(source):
    """A function that verifies an image with the commit, and returns the status and what was said."""

    def verify(image):
        done = subprocess.run([sys.executable, source / "deploy/verify.py", image], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return verify


@pytest.fixture
def forged(source, tmp_path):
    """A copy of the commit, to change."""
    return shutil.copytree(source, tmp_path / "forged")


def test_pushed_release_is_the_same(pushed, verify):
    status, said = verify(pushed())
    assert status == 0, said
    assert said.startswith("The same to the byte: sha256:")


def test_labels_are_of_the_checkout(docker, pushed, source):
    config = json.loads(docker("buildx", "imagetools", "inspect", "--format={{json .Image}}", pushed()))["config"]
    found = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    revision, created = run("git", "log", "-1", "--format=%H %cI", cwd=source).split()
    version = tomllib.loads((source / "pyproject.toml").read_text())["project"]["version"]
    assert (found["version"], found["revision"], found["created"]) == (version, revision, created)
    assert (found["source"], found["title"]) == ("https://localhost/hello", "hello")


@pytest.mark.parametrize("target", ["runtime", "bare"])
def test_archived_release_is_the_same_and_changes_outside_of_the_commit_do_not_count(
    release, verify, source, tmp_path, target
):
    release(f"type=oci,dest={tmp_path / 'image.tar'}", target=target)
    edit(source / "hello_app/__init__.py", "Hello world!", "Hello, world!")
    status, said = verify(tmp_path / "image.tar")
    assert status == 0, said


def member(name, **attributes):
    """Return a member of an archive."""
    made = tarfile.TarInfo(name)
    for attribute, value in attributes.items():
        setattr(made, attribute, value)
    return made


@pytest.fixture
def forge(release, tmp_path):
    """A function that changes the index and the configuration of a release, corrects each digest, and archives it."""
    folder = tmp_path / "image"
    release(f"type=oci,dest={folder},tar=false")

    def blob(digest):
        return folder / "blobs" / digest.replace(":", "/")

    def write(value):
        data = json.dumps(value).encode()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        blob(digest).write_bytes(data)
        return {"digest": digest, "size": len(data)}

    def make(change=None, added=None, lie=False):
        layout = json.loads((folder / "index.json").read_bytes())
        index = json.loads(blob(layout["manifests"][0]["digest"]).read_bytes())
        image, attestation = index["manifests"]
        manifest = json.loads(blob(image["digest"]).read_bytes())
        config = json.loads(blob(manifest["config"]["digest"]).read_bytes())
        if change:
            change(entries=index["manifests"], index=index, config=config["config"])
        manifest["config"] |= write(config)
        image |= write(manifest)
        attestation["annotations"]["vnd.docker.reference.digest"] = image["digest"]
        layout["manifests"][0] |= write(index)
        (folder / "index.json").write_text(json.dumps(layout))
        if lie:
            blob(manifest["config"]["digest"]).write_text(json.dumps(config | {"author": "somebody"}))
        with tarfile.open(tmp_path / "image.tar", "w") as archive:
            for path in folder / "oci-layout", folder / "index.json", *folder.glob("blobs/sha256/*"):
                data = path.read_bytes()
                archive.addfile(member(str(path.relative_to(folder)), size=len(data)), io.BytesIO(data))
            if added:
                archive.addfile(added)
        return tmp_path / "image.tar"

    return make


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        (None, 0, "The same files and configuration, compressed or described otherwise"),
        (lambda config, **_: config.update(User="0"), 1, "config User is 0, not 10001:10001"),
        (lambda config, **_: config.update(OnBuild=["RUN false"]), 1, "config OnBuild is ['RUN false'], not None"),
        (lambda config, **_: config.update(user="0"), 2, "has a key twice"),
        (lambda index, **_: index.update(Manifests=[]), 2, "has a key twice"),
        (lambda index, **_: index.update(config={}), 2, "does not have: config"),
        (lambda entries, **_: entries.append(entries[0]), 2, "has 2 manifests"),
        (
            lambda entries, **_: entries.insert(0, {**entries[0], "platform": ALIAS}),
            2,
            "an entry for {'os': 'linux', ",
        ),
    ],
)
def test_forged_image_is_told(forge, verify, change, status, said):
    found, output = verify(forge(change))
    assert (found, said in output) == (status, True), output


def test_blob_that_is_not_what_its_digest_says_is_refused(forge, verify):
    status, said = verify(forge(lie=True))
    assert (status, "is not the digest of what it names" in said) == (2, True), said


@pytest.mark.parametrize(
    "added",
    [
        member("manifest.json"),
        member("index.json"),
        member("./index.json"),
        member(ZEROS, type=tarfile.LNKTYPE, linkname="index.json"),
        member(ZEROS, type=tarfile.FIFOTYPE),
        member(ZEROS, type=tarfile.GNUTYPE_LONGNAME),
        member(ZEROS, pax_headers={"comment": "or a path"}),
    ],
    ids=["manifest", "twice", "path", "link", "pipe", "long name", "header"],
)
def test_archive_that_another_program_could_read_otherwise_is_refused(forge, verify, added):
    status, said = verify(forge(added=added))
    assert (status, "has a member that a release does not have" in said) == (2, True), said


def test_archive_that_tarfile_ends_before_docker_does_is_refused(forge, verify):
    archive = forge()
    data = archive.read_bytes()
    with tarfile.open(archive) as opened:
        last = opened.getmembers()[-1]
    end = last.offset_data + last.size + -last.size % 512
    header = member(ZEROS).tobuf(tarfile.USTAR_FORMAT)
    # Go reads a checksum from its first digit on, tarfile from the first byte.
    odd = header[:148] + b"\0" + header[148:154] + b"\0" + header[156:]
    for forged in (data + header, data[:end] + odd + data[end:]):
        archive.write_bytes(forged)
        status, said = verify(archive)
        assert (status, said.startswith("Cannot verify: ")) == (2, True), said


def test_other_compression_or_description_is_no_difference(pushed, verify, source, forged):
    edit(source / "release/build", "level=1", "level=3")
    one, other = 'org.opencontainers.image.title="hello"', 'org.opencontainers.image.licenses="MIT"'
    edit(forged / "Dockerfile", f"{one} {other}", f"{other} {one}")
    status, said = verify(pushed(context=forged))
    assert status == 0, said
    assert said.startswith("The same files and configuration, compressed or described otherwise")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("hello_app/__init__.py", "world!", "World!", "layer 3 (COPY /out/app / # buildkit) is sha256:"),
        ("Dockerfile", "\n\n# What", "\nCOPY LICENSE /\n\n# What", "layer 4 (COPY LICENSE / # buildkit) is added"),
        ("Dockerfile", "PATH=/usr/local/bin ", "PATH=/tmp ", "configuration: config Env is ['PATH=/tmp', 'PYTHON"),
    ],
    ids=["byte", "layer", "variable"],
)
def test_first_difference_is_named(pushed, verify, forged, file, old, new, said):
    edit(forged / file, old, new)
    status, output = verify(pushed(context=forged))
    assert (status, said in output) == (1, True), output


def test_other_base_image_is_named(build, pushed, verify, tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base/Dockerfile").write_text("FROM python:3.14\nLABEL other=base\n")
    base = build(tmp_path / "base")
    status, said = verify(pushed(f"--build-context=python:3.14=docker-image://{base}"))
    assert (status, said) == (1, f"Different: base image {base}, which the Dockerfile does not name\n")


def test_what_cannot_be_verified_is_named(registry, pushed, verify, source, tmp_path):
    assert verify(f"{registry}/none") == (2, f"Cannot verify: {registry}/none:latest: not found\n")
    assert verify(__file__) == (2, "Cannot verify: it is no OCI archive, or not as a release has it\n")
    assert verify("")[1].startswith("Cannot verify: name an image")
    status, said = verify(pushed(target="installed"))
    assert (status, "the image is of target installed" in said) == (2, True), said
    status, said = verify(pushed("--provenance=false"))
    assert (status, "which would name its base images" in said) == (2, True), said
    name = pushed()
    revision = run("git", "rev-parse", "HEAD", cwd=source).strip()
    (source / "README.md").unlink()
    commit(source)
    status, said = verify(name)
    assert (status, f"the image is of revision {revision}, and the checkout of " in said) == (2, True), said
