"""Fixtures: the images, and functions that start servers and end what they started."""

import functools
import shlex
import shutil
import subprocess
import uuid

import pytest
from servers import Compose, Container, Server
from shell import ROOT, RUN, require, run


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
    done = subprocess.run("docker version", shell=True, capture_output=True)
    require(done.returncode == 0, "no Docker Engine answers")
    return functools.partial(run, "docker")


@pytest.fixture(scope="session")
def build(docker):
    """A function that takes the arguments of `docker build`, and returns the image.

    Its name is removed after the last test.
    """
    names = []

    def build_image(*arguments, **keywords):
        name = f"{RUN}:{uuid.uuid4().hex}"
        docker("build", "--tag", name, *arguments, **keywords)
        names.append(name)
        return name

    yield build_image
    for name in names:
        docker("image", "rm", name)


@pytest.fixture(scope="session")
def runtime(build):
    return build(ROOT)


@pytest.fixture(scope="session")
def bare(build):
    return build("--target=bare", ROOT)


@pytest.fixture(scope="session")
def image(request, docker):
    """Each of hello's images, or the one that --image names."""
    option = request.config.option.image
    return option or request.getfixturevalue(request.param)


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
    with Compose() as server:
        pull = "docker compose pull --quiet --policy=missing proxy".split()
        done = subprocess.run(pull, cwd=ROOT, env=server.environment)
        require(done.returncode == 0, "nginx's image is not here and cannot be pulled")
        server.compose("up", "--detach", "--build", "--wait")
        yield server.wait_for_answer()
