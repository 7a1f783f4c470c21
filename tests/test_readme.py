"""The README: its commands run as they stand, its figures are of the last benchmark, and its links lead somewhere."""

import json
import re
import sys

import bench
import picture
import pytest
import tables
from project import ROOT, RUN, run
from servers import Process, free_port

README = (ROOT / "README.md").read_text()
# test_gallery.py takes the steps of this section.
ADOPT = re.search("## Put your own app in.*?(?=\n## )", README, re.DOTALL)[0]
BLOCKS = re.findall(r"```sh\n(.*?)\n *```", README.replace(ADOPT, ""), re.DOTALL)
COMMANDS = [line.strip() for block in BLOCKS for line in block.splitlines()]
COMMANDS += re.findall(r"`(make \w+|pip install \. .*?)`", README)
SERVE = [
    command
    for command in COMMANDS
    if re.search("docker run|make run|flask run", command)
]
# What runs this test, and what test_release.py, test_proxy.py and test_rollout.py run.
ELSEWHERE = {
    "make test",
    "make reproduce",
    "docker compose up --detach --build --wait",
    "deploy/rollout.sh",
}
RESULTS = json.loads((ROOT / "benchmarks/results.json").read_text())
PAGES = [readme.read_text() for readme in bench.READMES]


@pytest.mark.parametrize("command", SERVE)
def test_command_serves(request, command, tmp_path):
    """Run on another port and under another name than a user may have taken, and else as it stands."""
    port = free_port()
    if "docker" in command:
        command = re.sub(
            r" hello(?= |$)", f" {request.getfixturevalue('runtime')}", command
        )
    command = command.replace("-p 8080:", f"-p {port}:")
    if "pip" in command:  # into an environment that has no flask
        run(sys.executable, "-m", "venv", tmp_path / "venv")
        command = f". {tmp_path}/venv/bin/activate; {command}"
    variables = {"PORT": str(port), "FLASK_RUN_PORT": str(port)}
    with Process(
        ["bash", "-c", command], ROOT, tmp_path / "log", port, **variables
    ) as server:
        server.wait(lambda: server.answers() or server.ended(), "an answer", 120)
        _, headers, body = server.wait_for_answer().request()
        assert (headers["Content-Type"], body) == (
            "text/plain; charset=utf-8",
            b"Hello world!",
        ), server.log()


def test_other_commands_build_and_list_the_first_and_the_last_step(docker):
    others = [command for command in COMMANDS if command not in ELSEWHERE.union(SERVE)]
    listed = run(
        "bash", "-ec", "\n".join(others).replace(" hello", f" {RUN}-steps"), cwd=ROOT
    )
    docker("image", "rm", f"{RUN}-steps:full", f"{RUN}-steps:bare")
    assert {"full", "bare"} < set(listed.split())


@pytest.mark.parametrize("step", bench.STEPS)
def test_step_builds_and_answers(build, serve, step):
    assert serve(build(ROOT, *bench.STEPS[step][:-1])).request()[2] == b"Hello world!"


def test_figures_are_the_results():
    assert [tables.fill(page, RESULTS) for page in PAGES] == PAGES
    rows = [
        f"|{'|'.join(cells)}|\n"
        for table in tables.tables(RESULTS).values()
        for cells in table.values()
    ]
    assert [row for row in rows if row not in "".join(PAGES)] == []
    assert picture.draw(RESULTS["disk"]) == (ROOT / "benchmarks/images.svg").read_text()


def test_only_new_layers_are_pushed():
    before = {"base": (40, 100), "app": (1, 3)}
    assert tables.weigh(before, {"base": (40, 100), "changed": (2, 3)}) == {
        "disk": 103,
        "compressed": 41,
        "pushed": 2,
    }


def test_ratio_in_a_sentence_is_the_median_of_the_rounds():
    results = RESULTS | {"start": {"1 full": [2, 2, 6], "2 slim": [1, 8, 2]}}
    assert tables.number(results, "start:1/2") == "2.0"


def test_each_link_leads_somewhere():
    for page in (*ROOT.glob("*.md"), ROOT / "benchmarks/README.md"):
        # But for what is on the web, or in the pages that GitHub adds.
        for link in re.findall(r"\]\((?!https:|\.\./\.\./)([^)]+)\)", page.read_text()):
            name, _, heading = link.partition("#")
            target = page.parent / name if name else page
            assert target.exists(), f"{page.name}: {link}"
            headings = (
                re.findall(r"^#+ (.*)", target.read_text(), re.MULTILINE)
                if heading
                else [""]
            )
            assert heading in {
                re.sub(r"[^\w -]", "", each).lower().replace(" ", "-")
                for each in headings
            }, link
