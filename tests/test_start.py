"""What docker/ decides about a start: gunicorn's settings, bytecode that is there already, and the probe."""

import os
import re
import socket
import subprocess
import sys

import pytest
from gunicorn.config import KNOWN_SETTINGS
from project import ROOT

SETTINGS = (ROOT / "docker/gunicorn.conf.py").read_text()


def test_every_name_in_the_settings_is_one_of_gunicorn():
    """gunicorn ignores a name that it does not know."""
    exec(SETTINGS, names := {})
    known = {setting.name for setting in KNOWN_SETTINGS} | {"flask", "gc", "gunicorn", "os", "port", "stream", "sys"}
    assert {name for name in names if not name.startswith("__")} - known == set()


def test_older_gunicorn_is_refused():
    code = f"import gunicorn; gunicorn.version_info = 26, 0, 0\n{SETTINGS}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "need 27.0.1 or newer" in done.stderr


def test_all_that_a_start_and_a_request_load_is_bytecode_checked_by_hash(image, serve):
    """slim ships none of the standard library, and the image's user can never write any."""
    server = serve(image, options=["--env=PYTHONVERBOSE=1", "--env=WEB_CONCURRENCY=1"])
    assert server.request("/healthz")[0] == 204
    loaded = set(re.findall(r"# code object from '?([^'\s]+)'?", server.log()))
    # The settings are no module: gunicorn compiles them.
    assert [path for path in loaded if path.endswith(".py") and path != "/etc/gunicorn.conf.py"] == []
    assert len(loaded) > 200
    by_hash = "open(path, 'rb').read(8)[4] & 1"  # PEP 552
    assert server.python(f"print([path for path in {sorted(loaded)!r} if not {by_hash}])") == "[]\n"


ABORTS = """
import os, pathlib, runpy
library = pathlib.Path(os.__file__).parent
packages = library / "site-packages"
(packages / "aborts.py").write_text("import os; os.abort()")
(packages / "a.dist-info").mkdir()
(packages / "a.dist-info/METADATA").write_text("Name: a")
(packages / "a.dist-info/top_level.txt").write_text("aborts")
(bytecode,) = library.glob("__pycache__/selectors.*.pyc")  # which gunicorn imports
bytecode.unlink()
runpy.run_path("/bytecode.py")
print(bytecode.exists())
"""


def test_package_that_ends_its_import_is_named_and_fails_no_build(docker, runtime):
    volume = f"--volume={ROOT}/docker/bytecode.py:/bytecode.py:ro"
    said = docker("run", "--rm", "--user=0", volume, runtime, "python", "-c", ABORTS)
    assert "/aborts.py\n" in said and said.endswith("True\n")


@pytest.mark.parametrize(("status", "alive"), [("204", True), ("404", True), ("500", False), (None, False)])
def test_probe_takes_any_answer_but_a_server_error_for_alive(status, alive):
    """None: the server never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        environment = os.environ | {"PORT": str(server.getsockname()[1])}
        command = [sys.executable, ROOT / "docker/probe.py"]
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as probe:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(100).startswith(b"GET /healthz ")
                connection.sendall(f"HTTP/1.0 {status} x\r\n\r\n".encode() if status else b"")
                assert (probe.wait(60) == 0) is alive
