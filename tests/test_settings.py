"""What docker/gunicorn.conf.py decides, without an image; test_image.py has its variables."""

import subprocess
import sys

from gunicorn.config import KNOWN_SETTINGS
from project import ROOT

SETTINGS = ROOT / "docker/gunicorn.conf.py"


def test_every_name_in_the_file_is_a_setting_of_gunicorn():
    """gunicorn ignores a name that it does not know."""
    names = {}
    exec(compile(SETTINGS.read_text(), SETTINGS, "exec"), names)
    known = {setting.name for setting in KNOWN_SETTINGS} | {"flask", "gc", "gunicorn", "os", "port", "stream", "sys"}
    assert {name for name in names if not name.startswith("__")} - known == set()


def test_older_gunicorn_is_refused():
    code = f"import gunicorn; gunicorn.version_info = 26, 0, 0; exec(open({str(SETTINGS)!r}).read())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "need 27.0.1 or newer" in done.stderr
