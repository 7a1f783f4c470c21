"""No start compiles anything: slim ships no bytecode, and the image's user can never write any."""

import re

from project import ROOT


def test_all_that_a_start_and_a_request_load_is_bytecode_checked_by_hash(image, serve):
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
    assert re.fullmatch("aborts ends or stops .*\nTrue\n", said)
