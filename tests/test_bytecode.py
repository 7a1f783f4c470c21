"""No start compiles anything: slim ships no bytecode, and the image's user can never write any."""

import re
import subprocess

from project import edit


def test_all_that_a_start_and_a_request_load_is_bytecode_checked_by_hash(image, serve):
    server = serve(image, options=["--env=PYTHONVERBOSE=1", "--env=WEB_CONCURRENCY=1"])
    assert server.request("/healthz")[0] == 204
    loaded = set(re.findall(r"# code object from '?([^'\s]+)'?", server.log()))
    # The settings are no module: gunicorn compiles them.
    assert [path for path in loaded if path.endswith(".py") and path != "/etc/gunicorn.conf.py"] == []
    assert len(loaded) > 200
    by_hash = "open(path, 'rb').read(8)[4] & 1"  # PEP 552
    assert server.python(f"print([path for path in {sorted(loaded)!r} if not {by_hash}])") == "[]\n"


# Installed packages, and what each does when it is imported.
ODD = {
    "aborts": "import os; os.abort()",
    "exits": "import os; os._exit(0)",
    "hangs": "import signal, time; signal.signal(signal.SIGALRM, signal.SIG_IGN); time.sleep(3600)",
    "leaves": "import os, time; os.fork() or time.sleep(3600)",
    "writes": "import os; [os.write(fd, b'x.py') for fd in range(3, 9) if os.path.exists(f'/proc/self/fd/{fd}')]",
}
INSTALL = " AS installed\nRUN cd /usr/local/lib/python3.*/site-packages" + "".join(
    f" && mkdir {name}.dist-info && echo 'Name: {name}\\nVersion: 1' > {name}.dist-info/METADATA"
    f' && echo {name} > {name}.dist-info/top_level.txt && echo "{code}" > {name}.py'
    for name, code in ODD.items()
)


def test_package_that_ends_or_stops_its_import_is_named_and_the_others_are_compiled(docker, source):
    edit(source / "Dockerfile", " AS installed\n", f"{INSTALL}\n")
    edit(source / "docker/bytecode.py", "monotonic() + 120", "monotonic() + 8")
    edit(source / "docker/bytecode.py", "path in sorted(missing):", "path in sorted(missing):\n    print(path)")
    command = ["docker", "build", "--progress=plain", "--no-cache-filter=installed", source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"(\w+) ends or stops", done.stderr) == ["aborts", "exits", "hangs"]
    assert "/http/client.py" in done.stderr  # which werkzeug imports
