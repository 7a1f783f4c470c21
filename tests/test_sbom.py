"""`make sbom` lists every part of both images."""

import json

import pytest
from project import ROOT, run


@pytest.fixture(scope="module")
def sbom(docker):
    run("make", "--silent", "sbom", cwd=ROOT)


@pytest.fixture
def parts(sbom, image, runtime):
    """The names of the image's parts."""
    name = "runtime" if image == runtime else "bare"
    components = json.loads((ROOT / f"dist/{name}.cdx.json").read_text())["components"]
    return {component["name"] for component in components if component.get("purl")}


def test_every_distribution_is_a_part(parts, container):
    names = container.python("import importlib.metadata as m; print(*(each.name for each in m.distributions()))")
    distributions = set(names.lower().replace("_", "-").split())
    assert "flask" in distributions
    assert distributions - parts == set()


def test_every_library_is_of_a_package_that_is_a_part(docker, parts, runtime, files):
    libraries = [f"/{file.name}" for file in files if file.name.startswith("usr/lib/") and ".so." in file.name]
    owners = docker("run", "--rm", runtime, "dpkg-query", "--search", *libraries).splitlines()
    assert len(owners) == len(libraries) > 10
    assert {owner.partition(":")[0] for owner in owners} - parts == set()
