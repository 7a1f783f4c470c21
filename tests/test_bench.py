"""The READMEs and the picture state the results of the last run, and each step builds and answers."""

import json

import bench
import picture
import pytest
import tables
from project import ROOT

RESULTS = json.loads((ROOT / "benchmarks/results.json").read_text())
PAGES = [readme.read_text() for readme in bench.READMES]


def test_readmes_and_picture_state_the_results():
    assert [tables.fill(page, RESULTS) for page in PAGES] == PAGES
    rows = [f"|{'|'.join(cells)}|\n" for table in tables.tables(RESULTS).values() for cells in table.values()]
    assert [row for row in rows if row not in "".join(PAGES)] == []
    assert picture.draw(RESULTS["disk"]) == (ROOT / "benchmarks/images.svg").read_text()


def test_only_new_layers_are_pushed():
    before = {"base": (40, 100), "app": (1, 3)}
    assert tables.weigh(before, {"base": (40, 100), "changed": (2, 3)}) == {"disk": 103, "compressed": 41, "pushed": 2}


def test_ratio_in_a_sentence_is_the_median_of_the_rounds():
    results = RESULTS | {"start": {"1 full": [2, 2, 6], "2 slim": [1, 8, 2]}}
    assert tables.number(results, "start:1/2") == "2.0"


@pytest.mark.parametrize("step", bench.STEPS)
def test_step_builds_and_answers(build, serve, step):
    assert serve(build(ROOT, *bench.STEPS[step][:-1])).request()[2] == b"Hello world!"
