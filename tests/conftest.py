"""Fixtures: the images, and functions that start servers and end what they started."""

import functools
import io
import json
import shlex
import shutil
import subprocess
import tarfile
import uuid

import pytest
from project import ROOT, RUN, missing, run
from servers import Compose, Container


def pytest_addoption(parser):
    parser.addoption(
        "--image",
        help="an image to test in place of hello's; each test is reported as a claim",
    )
    parser.addoption(
        "--paths", type=str.split, default=["/"], help="what to ask it for"
    )
    parser.addoption(
        "--options",
        type=shlex.split,
        default=[],
        help="options of docker run which it needs",
    )


def pytest_generate_tests(metafunc):
    if "image" in metafunc.fixturenames:
        given = metafunc.config.option.image
        metafunc.parametrize(
            "image",
            [given] if given else ["runtime", "bare"],
            indirect=True,
            scope="session",
        )


@pytest.fixture
def source(tmp_path):
    """A copy of the project, to change."""
    ignore = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache", "dist")
    return shutil.copytree(ROOT, tmp_path / "source", ignore=ignore)


@pytest.fixture(scope="session")
def docker():
    """A function that runs a docker command and returns what it prints; skips where no Docker Engine answers."""
    if (
        not shutil.which("docker")
        or subprocess.run(["docker", "version"], capture_output=True).returncode
    ):
        missing("no Docker Engine answers")
    return functools.partial(run, "docker")


def built(target):
    @pytest.fixture(scope="session")
    def image(docker):
        name = f"{RUN}:{target}"
        docker("build", "--target", target, "--tag", name, ROOT)
        yield name
        docker("image", "rm", name)

    return image


runtime, bare = built("runtime"), built("bare")


@pytest.fixture(scope="session")
def image(request, docker):
    """An image: what holds for one of hello's holds for the other, or the one that is given."""
    return request.config.option.image or request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def config(docker, image):
    """The image's configuration: its user, command, labels and so on."""
    return json.loads(docker("image", "inspect", image))[0]["Config"]


@pytest.fixture(scope="session")
def layers(docker):
    """A function that returns the layers of an image, each as the bytes of its tar archive, the base image's first."""

    def read(image):
        # Not docker save: its layers are zstd when the cache has those of a release, and Python 3.11 cannot read them.
        name = f"{RUN}:layers"
        docker("tag", image, name)
        command = [
            "docker",
            "build",
            "--provenance=false",
            f"--build-context=image=docker-image://{name}",
            "-",
        ]
        output = "--output=type=docker,dest=-,compression=uncompressed,force-compression=true"
        saved = subprocess.run(
            [*command, output], input=b"FROM image", capture_output=True, check=True
        ).stdout
        docker("image", "rm", name)
        with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
            names = json.load(archive.extractfile("manifest.json"))[0]["Layers"]
            return [archive.extractfile(name).read() for name in names]

    return read


@pytest.fixture
def build(docker, request):
    """A function that builds as `docker build` does, and returns the image's name, for as long as the test runs."""

    def make(*arguments, **keywords):
        name = f"{RUN}:{uuid.uuid4().hex}"
        docker("build", "--tag", name, *arguments, **keywords)
        request.addfinalizer(lambda: docker("image", "rm", name))
        return name

    return make


@pytest.fixture
def serve(docker, request):
    """A function that runs an image with a command and options, and returns the container when it answers."""

    def start(*arguments, wait=True, **keywords):
        server = Container(*arguments, **keywords)
        request.addfinalizer(server.remove)
        return server.wait_for_answer() if wait else server

    return start


@pytest.fixture(scope="session")
def container(docker, image, pytestconfig):
    """One container of the image, run with no more options than it needs, for the tests that only look."""
    with Container(image, options=pytestconfig.option.options) as server:
        yield server.wait_for_answer()


@pytest.fixture(scope="session")
def compose(docker):
    """compose.yaml, up, with features.py as its app."""
    with Compose() as server:
        pull = ["docker", "compose", "pull", "--quiet", "--policy=missing", "proxy"]
        if subprocess.run(
            pull, cwd=ROOT, env=server.environment, capture_output=True
        ).returncode:
            missing("nginx's image is not here and cannot be pulled")
        server.compose("up", "--detach", "--build", "--wait")
        yield server.wait_for_answer()
