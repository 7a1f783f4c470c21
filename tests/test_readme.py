"""Every command of the README runs as it stands there, and every link leads somewhere."""

import re
import sys

import pytest
from project import ROOT, RUN, edit, run
from servers import Process, free_port

README = (ROOT / "README.md").read_text()
# test_gallery.py takes the steps of this section.
ADOPT = re.search("## Put your own app in.*?(?=\n## )", README, re.DOTALL)[0]
BLOCKS = re.findall(r"```sh\n(.*?)\n *```", README.replace(ADOPT, ""), re.DOTALL)
COMMANDS = [line.strip() for block in BLOCKS for line in block.splitlines()] + re.findall(r"`(make \w+)`", README)
SERVE = [command for command in COMMANDS if "docker run" in command or command == "make run"]
# What runs this test, and what test_release.py, test_proxy.py and test_rollout.py run.
ELSEWHERE = {"make test", "make reproduce", "docker compose up --detach --build --wait", "deploy/rollout.sh"}


@pytest.mark.parametrize("command", SERVE)
def test_command_serves(request, command, tmp_path):
    """Run on another port and under another name than a user may have taken, and else as it stands."""
    port = free_port()
    if "docker" in command:
        command = re.sub(r" hello(?= |$)", f" {request.getfixturevalue('runtime')}", command)
    command = command.replace("-p 8080:", f"-p {port}:")
    with Process(["bash", "-c", command], ROOT, tmp_path / "log", port, PORT=str(port)) as server:
        assert server.wait_for_answer().request()[2] == b"Hello world!", server.log()


def test_other_commands_build_and_list_the_first_and_the_last_step(docker):
    others = [command for command in COMMANDS if command not in ELSEWHERE.union(SERVE)]
    listed = run("bash", "-ec", "\n".join(others).replace(" hello", f" {RUN}-steps"), cwd=ROOT)
    docker("image", "rm", f"{RUN}-steps:full", f"{RUN}-steps:bare")
    assert {"full", "bare"} < set(listed.split())


def test_flask_run_debug_loads_an_edit(source, tmp_path):
    port, install = free_port(), re.search("`(pip install .*)` loads", README)[1]
    command = f"{sys.executable} -m venv {tmp_path}; PATH={tmp_path}/bin:/usr/bin:/bin; {install}"  # no other flask
    with Process(["bash", "-ec", command], source, tmp_path / "log", port, FLASK_RUN_PORT=str(port)) as server:
        server.wait(lambda: server.answers() or server.ended(), "an answer", 120)
        edit(source / "hello_app/__init__.py", "Hello world!", "Hello again!")
        server.wait(lambda: server.answers() and server.request()[2] == b"Hello again!", "the edit")


def test_each_link_leads_somewhere():
    for page in (*ROOT.glob("*.md"), ROOT / "benchmarks/README.md"):
        # But for what is on the web, or in the pages that GitHub adds.
        for link in re.findall(r"\]\((?!https:|\.\./\.\./)([^)]+)\)", page.read_text()):
            name, _, heading = link.partition("#")
            target = page.parent / name if name else page
            assert target.exists(), f"{page.name}: {link}"
            headings = re.findall(r"^#+ (.*)", target.read_text(), re.MULTILINE) if heading else [""]
            assert heading in {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}, link
