"""Every command of the README, as it stands there."""

import os
import re
import signal
import subprocess

import pytest
from conftest import HARDENED, ROOT, Server, wait_until

RUN = "docker run -p 8080:8080 "
SERVE = ["make run", "flask run"]
SERVE_IMAGE = [
    "docker build -t hello . && docker run --rm -p 8080:8080 hello",
    RUN + "hello",
    f"{RUN}{HARDENED} hello",
    "docker build --target bare -t hello:bare . && docker run --rm -p 8080:8080 hello:bare",
]
# Run by test_image.py, and what runs this or takes minutes.
ELSEWHERE = ["make reproduce", "make sbom", "make test", "make bench"]


def check_serves(command):
    """Run a command in the project's folder, nothing exported, until it answers on port 8080; then interrupt it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLASK_")}
    environment["PATH"] = f"{ROOT}/.venv/bin:{environment['PATH']}"
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=ROOT,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(Server(8080).answers, "an answer on port 8080", 60)
        assert Server(8080).request()[2] == b"Hello world!"
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)


@pytest.mark.parametrize("command", SERVE)
def test_command_serves(port_8080, command):
    check_serves(command)


@pytest.mark.parametrize("command", SERVE_IMAGE)
def test_command_serves_the_image(runtime, bare, port_8080, command):
    check_serves(command)


def test_readme_has_no_other_command():
    blocks = re.findall(r"```sh\n(.*?)\s*```", (ROOT / "README.md").read_text(), re.DOTALL)
    commands = {line.strip() for block in blocks for line in block.splitlines()}
    assert commands <= {*SERVE, *SERVE_IMAGE, *ELSEWHERE}
