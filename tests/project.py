"""The project, copies of it to change, and what is read of an image's layers."""

import io
import os
import re
import subprocess
import tarfile
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# The name of all that this run makes: another run, or one that was killed, has another.
RUN = f"hello-test-{uuid.uuid4().hex[:12]}"
# The options of the README's hardened `docker run`.
HARDENED = re.search(
    r"docker run .*?(--read-only.*) hello\n", (ROOT / "README.md").read_text()
)[1].split()


def run(*command, **options):
    """Return what `command` prints; fail the test with its output when its status is not 0."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        pytest.fail(
            f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}", pytrace=False
        )
    return done.stdout


def missing(reason):
    """Skip a test for what this machine lacks; fail where REQUIRE_DOCKER says that nothing may be missing."""
    (pytest.fail if os.environ.get("REQUIRE_DOCKER") else pytest.skip)(reason)


def edit(path, old, new):
    """Replace `old`, which must be there, in a file."""
    text = path.read_text()
    assert old in text, f"{path} has no {old!r}"
    path.write_text(text.replace(old, new))


def commit(folder):
    """Make the folder a git repository, with all of it committed."""
    author = "-c user.name=t -c user.email=t@localhost"
    run(
        "sh",
        "-ec",
        f"git init -q; git add --force .; git {author} commit -q --message=all",
        cwd=folder,
    )


def members(layer):
    """Return what is in a layer, which is the bytes of a tar archive."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return archive.getmembers()


def some(found):
    """Return the first of what was found, as one line."""
    return ", ".join(map(str, found[:5])) + (
        f" and {len(found) - 5} more" if len(found) > 5 else ""
    )
