"""`make sbom` lists every part of both images."""

import json

import pytest
from servers import ROOT, run


@pytest.fixture(scope="module")
def parts(docker):
    """A function that returns the names of an image's parts."""
    run("make", "--silent", "sbom", cwd=ROOT)

    def listed(image):
        name = "bare" if image.endswith(":bare") else "runtime"
        components = json.loads((ROOT / f"dist/{name}.cdx.json").read_text())["components"]
        return {component["name"] for component in components if component.get("purl")}

    return listed


def test_every_distribution_is_a_part(parts, image, container):
    names = container.python("import importlib.metadata as m; print(*(each.name for each in m.distributions()))")
    distributions = set(names.lower().replace("_", "-").split())
    assert "flask" in distributions
    assert distributions - parts(image) == set()


def test_every_library_is_of_a_package_that_is_a_part(docker, parts, runtime, image, files):
    libraries = [f"/{file.name}" for file in files if file.name.startswith("usr/lib/") and ".so." in file.name]
    owners = docker("run", "--rm", runtime, "dpkg-query", "--search", *libraries).splitlines()
    assert len(owners) == len(libraries) > 10
    assert {owner.partition(":")[0] for owner in owners} - parts(image) == set()
