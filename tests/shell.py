"""Commands on this machine, and copies of the project to change."""

import os
import subprocess
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# The name of all that this run makes. Another run, or one that was killed, has another.
RUN = f"hello-test-{uuid.uuid4().hex[:12]}"


def run(*command, **options):
    """Return what a command prints; fail the test with it when the status is not 0."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        words = " ".join(map(str, command))
        pytest.fail(f"{words}\n{done.stdout}{done.stderr}", pytrace=False)
    return done.stdout


def require(condition, reason):
    """Unless the condition holds, skip a test, or fail it if REQUIRE_DOCKER is set."""
    if not condition:
        end = pytest.fail if os.environ.get("REQUIRE_DOCKER") else pytest.skip
        end(reason)


def edit(path, old, new):
    """Replace `old`, which must be there, in a file."""
    text = path.read_text()
    assert old in text, f"{path} has no {old!r}"
    path.write_text(text.replace(old, new))


def commit(folder):
    """Make the folder a git repository, with all of it committed."""
    author = "-c user.name=t -c user.email=t@localhost"
    command = f"git init -q; git add --force .; git {author} commit -q --message=all"
    run("sh", "-ec", command, cwd=folder)
