"""No start compiles anything: slim ships no bytecode, and the image's user can never write any."""

import re
import subprocess

from test_build import edit


def test_all_that_a_start_and_a_request_load_is_bytecode_checked_by_hash(image, serve):
    server = serve(image, options=["--env=PYTHONVERBOSE=1", "--env=WEB_CONCURRENCY=1"])
    assert server.request("/healthz")[0] == 204
    loaded = set(re.findall(r"# code object from '?([^'\s]+)'?", server.log()))
    # The settings are no module: gunicorn compiles them.
    assert [path for path in loaded if path.endswith(".py") and path != "/etc/gunicorn.conf.py"] == []
    assert len(loaded) > 200
    by_hash = "open(path, 'rb').read(8)[4] & 1"  # PEP 552
    assert server.python(f"print([path for path in {sorted(loaded)!r} if not {by_hash}])") == "[]\n"


# Two installed packages, of which one crashes and one never ends when it is imported.
ODD = """ AS installed
RUN cd /usr/local/lib/python3.*/site-packages && mkdir crashes.dist-info hangs.dist-info \\
    && echo 'import os; os.abort()' > crashes.py && echo 'import time; time.sleep(3600)' > hangs.py \\
    && for name in crashes hangs; do echo "Name: $name\\nVersion: 1" > $name.dist-info/METADATA \\
    && echo $name > $name.dist-info/top_level.txt; done
"""


def test_package_that_crashes_or_hangs_when_imported_is_named_and_the_others_are_compiled(docker, source):
    edit(source / "Dockerfile", " AS installed\n", ODD)
    edit(source / "docker/bytecode.py", "alarm(60)", "alarm(3)")
    edit(source / "docker/bytecode.py", "path in sorted(missing):", "path in sorted(missing):\n    print(path)")
    command = ["docker", "build", "--progress=plain", "--no-cache-filter=installed", source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"(\w+) ends the process", done.stderr) == ["crashes", "hangs"]
    assert "/http/client.py" in done.stderr  # which werkzeug imports
