"""The README: its commands run, its figures are the benchmark's, its links lead on."""

import json
import re
import sys

import bench
import pytest
import tables
from readme import OTHERS, README
from servers import Process, free_port
from shell import ROOT, RUN, run

# test_gallery.py runs the commands that put an app in.
COMMANDS = [*OTHERS, *re.findall(r"`(make \w+|pip install \. .*?)`", README)]
SERVE = [line for line in COMMANDS if re.search("docker run|make run|flask run", line)]
# What runs this test, and what the tests of a release, the proxy and a rollout run.
ELSEWHERE = {"make test", "make reproduce", "deploy/rollout.sh"}
ELSEWHERE |= {"docker compose up --detach --build --wait"}
RESULTS = json.loads((ROOT / "benchmarks/results.json").read_text())
PROSE = [*ROOT.glob("*.md"), *ROOT.glob("[!.]*/README.md")]


@pytest.mark.parametrize("command", SERVE)
def test_command_serves(request, command, tmp_path):
    """It stands as in the README, but for a free port and an image of this run."""
    port = free_port()
    if "docker" in command:
        image = request.getfixturevalue("runtime")
        command = re.sub(r" hello(?= |$)", f" {image}", command)
    command = command.replace("-p 8080:", f"-p {port}:")
    if "pip" in command:  # into an environment that has no flask
        run(sys.executable, "-m", "venv", tmp_path / "venv")
        command = f". {tmp_path}/venv/bin/activate; {command}"
    variables = {"PORT": str(port), "FLASK_RUN_PORT": str(port)}
    shell = ["bash", "-c", command]
    with Process(shell, ROOT, port, **variables) as server:
        _, headers, body = server.wait_for_answer().request()
    assert body == b"Hello world!"
    assert headers["Content-Type"] == "text/plain; charset=utf-8"


def test_other_commands_build_and_list_the_first_and_the_last_step(docker):
    others = [line for line in COMMANDS if line not in ELSEWHERE.union(SERVE)]
    script = "\n".join(others).replace(" hello", f" {RUN}-steps")
    listing = run("bash", "-ec", script, cwd=ROOT)
    docker("image", "rm", f"{RUN}-steps:full", f"{RUN}-steps:bare")
    assert {"full", "bare"} < set(listing.split())


@pytest.mark.parametrize("step", bench.STEPS)
def test_step_builds_and_answers(build, serve, step):
    server = serve(build(ROOT, *bench.STEPS[step][:-1]))
    assert server.request()[2] == b"Hello world!"


def test_figures_are_the_results():
    pages = [page.read_text() for page in bench.READMES]
    assert [tables.fill(page, RESULTS) for page in pages] == pages
    assert [make for make in tables.TABLES if make(RESULTS) not in "".join(pages)] == []


def test_picture_has_the_results():
    picture = (ROOT / "benchmarks/images.svg").read_text()
    names = [name for name in RESULTS["disk"] if name[0] in "1267"]
    labels = [f"{RESULTS['disk'][name] / 1e6:,.0f} MB" for name in names]
    assert re.findall(">([^<]* MB)<", picture) == labels
    widths = [float(width) for width in re.findall(r'width="(\d+)"', picture)]
    largest = RESULTS["disk"]["1 full"]
    shares = [RESULTS["disk"][name] / largest for name in names]
    assert widths == pytest.approx([690 * share for share in shares], abs=1)


def test_ratio_in_a_sentence_is_the_median_of_the_rounds():
    results = {"start": {"1 full": [2, 2, 6], "2 slim": [1, 8, 2]}}
    assert tables.number(results, "start:1/2") == "2"


def test_each_link_leads_somewhere():
    for page in PROSE:
        # But for what is on the web, or in the pages that GitHub adds.
        links = re.findall(r"\]\((?!https:|\.\./\.\./)([^)]+)\)", page.read_text())
        for link in links:
            name, _, heading = link.partition("#")
            target = page.parent / name if name else page
            assert target.exists(), f"{page.name}: {link}"
            assert not heading or heading in anchors(target), f"{page.name}: {link}"


def anchors(page):
    """Return the names by which a page's headings are linked."""
    headings = re.findall(r"^#+ (.*)", page.read_text(), re.MULTILINE)
    words = (re.sub(r"[^\w -]", "", heading).lower() for heading in headings)
    return {text.replace(" ", "-") for text in words}


def test_lines_of_prose_are_at_most_160_wide():
    for page in PROSE:
        text = re.sub("```.*?```", "", page.read_text(), flags=re.DOTALL)
        lines = [line for line in text.splitlines() if not line.startswith("|")]
        assert [line for line in lines if len(line) > 160] == []
