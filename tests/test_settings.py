"""What docker/gunicorn.conf.py decides, without an image; test_image.py has its variables."""

import os
import subprocess
import sys

import pytest
from gunicorn.config import KNOWN_SETTINGS
from project import ROOT

SETTINGS = ROOT / "docker/gunicorn.conf.py"


def test_every_name_in_the_file_is_a_setting_of_gunicorn():
    """gunicorn ignores a name that it does not know."""
    names = {}
    exec(compile(SETTINGS.read_text(), SETTINGS, "exec"), names)
    # Its imports and what it computes aside.
    unknown = names.keys() - {setting.name for setting in KNOWN_SETTINGS}
    computed = {"flask", "gc", "gunicorn", "os", "port", "stream", "sys"}
    assert {name for name in unknown if not name.startswith("__")} == computed


@pytest.mark.parametrize("setting", ["PORT=x", "PORT=0", "PORT=99999", "PORT=-1", "WEB_CONCURRENCY=0"])
def test_bad_value_ends_the_start_with_one_line(setting):
    variable, value = setting.split("=")
    command = [sys.executable, "-m", "gunicorn", "--config", SETTINGS]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {variable: value}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{variable}=") and len(done.stderr.splitlines()) == 1, done.stderr
    assert "expected a whole number from 1" in done.stderr


def test_older_gunicorn_is_refused():
    code = f"import gunicorn; gunicorn.version_info = 26, 0, 0; exec(open({str(SETTINGS)!r}).read())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "need 27.0.1 or newer" in done.stderr
