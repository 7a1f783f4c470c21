"""Every command of the README runs as it stands there, and every link leads somewhere."""

import re
import subprocess
import sys

import pytest
from project import ROOT, RUN, edit, run
from servers import Process, free_port

README = (ROOT / "README.md").read_text()
# test_adopt.py takes the steps of this section.
ADOPT = re.search("## Put your own app in.*?(?=\n## )", README, re.DOTALL)[0]
BLOCKS = re.findall(r"```sh\n(.*?)```", README.replace(ADOPT, ""), re.DOTALL)
COMMANDS = [line.strip() for block in BLOCKS for line in block.splitlines() if line.strip()]
SERVE = ["make run", *(command for command in COMMANDS if "docker run" in command)]
STEPS = [command for command in COMMANDS if "hello:full" in command or "docker images" in command]
# What runs this test, and what test_reproduce.py, test_proxy.py and test_rollout.py run.
ELSEWHERE = {"make test", "make reproduce", "docker compose up --detach --build --wait", "deploy/rollout.sh"}


@pytest.mark.parametrize("command", SERVE)
def test_command_serves(request, command, tmp_path):
    """Run on another port and under another name than a user may have taken, and else as it stands."""
    port, name = free_port(), f"{RUN}:readme"
    if "docker" in command:
        run("docker", "tag", request.getfixturevalue("runtime"), name)
        command = re.sub(r"hello(:bare)?(?= |$)", name, command.replace("-p 8080:", f"-p {port}:"))
    with Process(["bash", "-c", command], ROOT, tmp_path / "log", port, PORT=str(port)) as server:
        server.wait_for_answer()
        assert server.request()[2] == b"Hello world!", server.log()
    subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True)


def test_first_and_last_step_are_built_and_listed(docker):
    listed = run("bash", "-ec", "\n".join(STEPS).replace(" hello", f" {RUN}-steps"), cwd=ROOT)
    docker("image", "rm", f"{RUN}-steps:full", f"{RUN}-steps:bare")
    assert {"full", "bare"} < set(listed.split())


def test_flask_run_debug_loads_an_edit(source, tmp_path):
    """After nothing but pip install."""
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    run(tmp_path / "venv/bin/pip", "install", "--quiet", ".", cwd=source)
    port = free_port()
    command = [tmp_path / "venv/bin/flask", "run", "--debug"]
    with Process(command, source, tmp_path / "log", port, FLASK_RUN_PORT=str(port)) as server:
        server.wait_for_answer()
        edit(source / "hello_app/__init__.py", "Hello world!", "Hello again!")
        server.wait(lambda: server.answers() and server.request()[2] == b"Hello again!", "the edit")


def test_other_commands_are_run_elsewhere():
    assert {*COMMANDS, *re.findall(r"`(make \w+)`", README)} - {*SERVE, *STEPS} - ELSEWHERE == set()


LINKS = {
    (page, link)
    for page in (*(path.name for path in ROOT.glob("*.md")), "benchmarks/README.md")
    # But for what is on the web, or in the pages that GitHub adds.
    for link in re.findall(r"\]\((?!https:|\.\./\.\./)([^)]+)\)", (ROOT / page).read_text())
}


@pytest.mark.parametrize(("page", "link"), sorted(LINKS))
def test_link_leads_somewhere(page, link):
    name, _, heading = link.partition("#")
    target = (ROOT / page).parent / name if name else ROOT / page
    assert target.exists()
    if heading:
        headings = re.findall(r"^#+ (.*)", target.read_text(), re.MULTILINE)
        assert heading in {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}
