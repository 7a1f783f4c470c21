"""Fixtures: the images, and functions that start servers and end what they started."""

import functools
import json
import shlex
import shutil
import subprocess
import uuid

import pytest
from layers import read_layers
from servers import Compose, Container, Server
from shell import ROOT, RUN, missing, run


def pytest_addoption(parser):
    add = parser.addoption
    add("--image", help="an image to test in place of hello's: each test is a claim")
    add("--paths", type=str.split, default=["/"], help="what to ask it for")
    add("--options", type=shlex.split, default=[], help="its options of docker run")


def pytest_configure(config):
    Server.path = config.option.paths[0]


def pytest_generate_tests(metafunc):
    if "image" in metafunc.fixturenames:
        image = metafunc.config.option.image
        images = [image] if image else ["runtime", "bare"]
        metafunc.parametrize("image", images, indirect=True, scope="session")


@pytest.fixture
def source(tmp_path):
    """A copy of the project, to change."""
    ignore = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache", "dist")
    return shutil.copytree(ROOT, tmp_path / "source", ignore=ignore)


@pytest.fixture(scope="session")
def docker():
    """A function that runs a docker command and returns what it prints.

    It skips the test where no Docker Engine answers.
    """
    version = ["docker", "version"]
    if (
        not shutil.which("docker")
        or subprocess.run(version, capture_output=True).returncode
    ):
        missing("no Docker Engine answers")
    return functools.partial(run, "docker")


@pytest.fixture(scope="session")
def runtime(docker):
    yield from built(docker, "runtime")


@pytest.fixture(scope="session")
def bare(docker):
    yield from built(docker, "bare")


def built(docker, target):
    """Build an image of hello, and remove its name after the last test."""
    name = f"{RUN}:{target}"
    docker("build", "--target", target, "--tag", name, ROOT)
    yield name
    docker("image", "rm", name)


@pytest.fixture(scope="session")
def image(request, docker):
    """Each of hello's images, or the one that --image names."""
    option = request.config.option.image
    return option or request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def config(docker, image):
    """The image's configuration: its user, command, labels and so on."""
    return json.loads(docker("image", "inspect", image))[0]["Config"]


@pytest.fixture(scope="session")
def layers(docker):
    """A function that returns the layers of an image."""
    return read_layers


@pytest.fixture
def build(docker, request):
    """A function that builds an image, and returns its name.

    The name is removed after the test.
    """

    def build_image(*arguments, **keywords):
        name = f"{RUN}:{uuid.uuid4().hex}"
        docker("build", "--tag", name, *arguments, **keywords)
        request.addfinalizer(lambda: docker("image", "rm", name))
        return name

    return build_image


@pytest.fixture
def serve(docker, request):
    """A function that runs an image, and returns the container when it answers."""

    def start(*arguments, wait=True, **keywords):
        server = Container(*arguments, **keywords)
        request.addfinalizer(server.remove)
        return server.wait_for_answer() if wait else server

    return start


@pytest.fixture(scope="session")
def container(docker, image, pytestconfig):
    """One container of the image, for the tests that only look."""
    with Container(image, options=pytestconfig.option.options) as server:
        yield server.wait_for_answer()


@pytest.fixture(scope="session")
def compose(docker):
    """compose.yaml, up, with features.py as its app."""
    pull = "docker compose pull --quiet --policy=missing proxy".split()
    with Compose() as server:
        environment = server.environment
        done = subprocess.run(pull, cwd=ROOT, env=environment, capture_output=True)
        if done.returncode:
            missing("nginx's image is not here and cannot be pulled")
        server.compose("up", "--detach", "--build", "--wait")
        yield server.wait_for_answer()
