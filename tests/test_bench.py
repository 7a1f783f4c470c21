import json

import pytest
import tables
from conftest import ROOT
from hold import p99
from serve import parse

WRK = """
1s test @ http://127.0.0.1:8080/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     4.12ms    1.03ms  20.00ms   90.00%
  Latency Distribution
     50%    3.90ms
     99%  812.00us
  8123 requests in 1.00s, 1.30MB read
  Socket errors: connect 0, read 3, write 0, timeout 1
  Non-2xx or 3xx responses: 5
Requests/sec:   8123.45
"""


@pytest.fixture
def results():
    return json.loads((ROOT / "benchmarks/results.json").read_text())


def test_readme_states_the_figures_of_the_last_run(results, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text((ROOT / "README.md").read_text())
    tables.write(readme, results)
    assert readme.read_text() == (ROOT / "README.md").read_text()


def test_results_are_as_they_were_written(results):
    assert tables.dump(results) == (ROOT / "benchmarks/results.json").read_text()


def test_wrk_is_read():
    assert parse(WRK) == {"rate": 8123.45, "p99": 0.000812, "errors": 9}


def test_a_client_without_an_answer_waited_for_all_its_time():
    assert p99({"seconds": [0.001] * 97, "failed": 3}) == 5
    assert p99({"seconds": [0.001] * 100, "failed": 0}) == 0.001
