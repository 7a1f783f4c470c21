"""The READMEs and the picture state the results of the last run."""

import json

import bench
import picture
import pytest
import tables
from project import ROOT


@pytest.fixture
def results():
    return json.loads((ROOT / "benchmarks/results.json").read_text())


@pytest.mark.parametrize("readme", bench.READMES, ids=["README.md", "benchmarks/README.md"])
def test_readme_states_the_results(results, readme):
    assert bench.stated(readme, results) == readme.read_text()


def test_picture_shows_the_results(results):
    assert picture.draw(results["size"]) == (ROOT / "benchmarks/images.svg").read_text()


@pytest.mark.parametrize("part", [tables.images, tables.ratios, tables.size])
def test_no_figure_of_size_is_from_memory(results, part):
    size = results["size"]
    changed = results | {"size": size | {"runtime": size["runtime"] | {"disk": 2 * size["runtime"]["disk"]}}}
    assert part(changed) != part(results)


def test_results_are_as_they_were_written(results):
    assert tables.dump(results) == (ROOT / "benchmarks/results.json").read_text()


def test_only_new_layers_are_pushed():
    before = {"base": (40, 100), "app": (1, 3)}
    assert tables.weigh(before, {"base": (40, 100), "changed": (2, 3)}) == {"disk": 103, "compressed": 41, "pushed": 2}


def test_ratio_is_the_median_of_the_rounds():
    assert tables.ratio([1, 2, 9], [2, 2, 3]) == 1


def test_missing_marker_is_an_error():
    with pytest.raises(ValueError, match="<!-- size -->"):
        tables.fill("<!-- size -->\n", {"size": "1 MB"})
