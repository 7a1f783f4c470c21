"""Fixtures: the images, and functions that start servers and end what they started."""

import functools
import io
import json
import re
import shlex
import shutil
import subprocess
import tarfile

import pytest
from project import ROOT, RUN, members, missing, run
from servers import Compose, Container


def pytest_addoption(parser):
    parser.addoption("--image", help="an image to test in place of hello's; each test is reported as a claim")
    parser.addoption("--paths", default="/", help="what to ask it for")
    parser.addoption("--options", default="", help="options of docker run which it needs")


def pytest_generate_tests(metafunc):
    given = metafunc.config.option.image
    if "image" in metafunc.fixturenames:
        metafunc.parametrize("image", [given] if given else ["runtime", "bare"], indirect=True, scope="session")
    if "path" in metafunc.fixturenames and metafunc.module.__name__ == "test_image":
        metafunc.parametrize("path", metafunc.config.option.paths.split())


@pytest.fixture
def source(tmp_path):
    """A copy of the project, to change."""
    ignore = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache", "dist")
    return shutil.copytree(ROOT, tmp_path / "source", ignore=ignore)


@pytest.fixture(scope="session")
def docker():
    """A function that runs a docker command and returns what it prints; skips where no Docker Engine answers."""
    if not shutil.which("docker") or subprocess.run(["docker", "version"], capture_output=True).returncode:
        missing("no Docker Engine answers")
    return functools.partial(run, "docker")


@pytest.fixture(scope="session")
def runtime(docker):
    yield from built("runtime")


@pytest.fixture(scope="session")
def bare(docker):
    yield from built("bare")


def built(target):
    """Build a target, and yield its tag, which no other run has, until the tests have ended."""
    name = f"{RUN}:{target}"
    run("docker", "build", "--target", target, "--tag", name, ROOT)
    yield name
    run("docker", "image", "rm", name)


@pytest.fixture(scope="session")
def image(request, docker):
    """An image: what holds for one of hello's holds for the other, or the one that is given."""
    if request.param != request.config.option.image:
        return request.getfixturevalue(request.param)
    done = subprocess.run(["docker", "image", "inspect", request.param], capture_output=True, text=True)
    if done.returncode:
        print(done.stderr.strip())
        pytest.exit("no such image", 2)
    return request.param


@pytest.fixture(scope="session")
def given(request):
    """The options of `docker run` without which the image does not start."""
    return shlex.split(request.config.option.options)


@pytest.fixture(scope="session")
def port(config):
    """The port that the image exposes, or 8080."""
    return int(next(iter(config.get("ExposedPorts") or ["8080"])).partition("/")[0])


@pytest.fixture(scope="session")
def layers(docker):
    """A function that returns the layers of an image, each as the bytes of its tar archive, the base image's first."""

    def read(image):
        # Not docker save: its layers are zstd when the cache has those of a release, and Python 3.11 cannot read them.
        name = f"{RUN}:layers"
        docker("tag", image, name)
        command = ["docker", "build", "--provenance=false", f"--build-context=image=docker-image://{name}", "-"]
        output = "--output=type=docker,dest=-,compression=uncompressed,force-compression=true"
        try:
            saved = subprocess.run([*command, output], input=b"FROM image", capture_output=True, check=True).stdout
        finally:
            docker("image", "rm", name)
        with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
            names = json.load(archive.extractfile("manifest.json"))[0]["Layers"]
            return [archive.extractfile(name).read() for name in names]

    return read


@pytest.fixture(scope="session")
def archive(docker, image):
    """The image's file system, as the bytes of a tar archive."""
    created = docker("create", image).strip()
    try:
        return subprocess.run(["docker", "export", created], capture_output=True, check=True).stdout
    finally:
        docker("rm", created)


@pytest.fixture(scope="session")
def files(archive):
    """What is in the image, but for what the engine puts in itself."""
    return [file for file in members(archive) if not re.match(r"(dev|proc|sys)(/|$)|\.dockerenv", file.name)]


@pytest.fixture
def build(docker, tmp_path):
    """A function that builds a folder and returns the image's name, for as long as the test runs."""
    names = []

    def make(context, *options):
        names.append(f"{RUN}:{tmp_path.name}-{len(names)}")
        docker("build", "--tag", names[-1], *options, context)
        return names[-1]

    yield make
    for name in names:
        subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True)


@pytest.fixture(scope="session")
def config(docker, image):
    """The image's configuration: its user, command, labels and so on."""
    return json.loads(docker("image", "inspect", image))[0]["Config"]


@pytest.fixture
def serve(docker):
    """A function that runs an image with a command and options, and returns the container when it answers."""
    servers = []

    def start(*arguments, wait=True, **keywords):
        servers.append(Container(*arguments, **keywords))
        return servers[-1].wait_for_answer() if wait else servers[-1]

    yield start
    for server in servers:
        server.remove()


@pytest.fixture(scope="session")
def container(docker, image, given, port):
    """One container of the image, run with no more options than it needs, for the tests that only look."""
    with Container(image, options=given, port=port) as server:
        yield server.wait_for_answer()


@pytest.fixture(scope="session")
def compose(docker, tmp_path_factory):
    """compose.yaml, up, with features.py as its app."""
    nginx = re.search("image: (.*)", (ROOT / "compose.yaml").read_text())[1]
    find = (["docker", "image", "inspect", nginx], ["docker", "pull", "--quiet", nginx])
    if all(subprocess.run(command, capture_output=True).returncode for command in find):
        missing(f"{nginx} is not here and cannot be pulled")
    with Compose(tmp_path_factory.mktemp("compose")) as server:
        server.compose("up", "--detach", "--build", "--wait")
        yield server.wait_for_answer()


@pytest.fixture(scope="session")
def hardened():
    """The options of the README's hardened `docker run`."""
    return re.search(r"docker run .*?(--read-only.*) hello\n", (ROOT / "README.md").read_text())[1].split()
