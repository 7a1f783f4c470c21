"""The README's steps, taken literally, put tests/gallery into both images, and there it does all that it does."""

import gzip
import os
import re
import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from project import ROOT, run
from servers import Container

README = (ROOT / "README.md").read_text()
ADOPTING = (ROOT / "ADOPTING.md").read_text()
NAMES = {"runtime": "gallery", "bare": "gallery:bare"}
WITH_OUTPUT = {"cwd": ROOT, "capture_output": True, "text": True}
FILE = os.urandom(2_000_000)
FORM = b'--x\r\nContent-Disposition: form-data; name="caption"\r\n\r\nsunset\r\n--x\r\n'
FORM += b'Content-Disposition: form-data; name="picture"; filename="p"\r\n\r\n' + FILE + b"\r\n--x--\r\n"


def blocks(text, heading):
    """Return the kind and the text of each block of commands or edits in a section."""
    section = re.split("(?m)^## ", text.partition(f"## {heading}\n")[2])[0]
    return re.findall(r"```(sh|diff)\n(.*?) *```", re.sub("(?m)^   ", "", section), re.DOTALL)


def edit(folder, diff):
    """Edit a file as a block says: a line in place of another, or after a line wherever that stands."""
    name, sign, old, new = re.fullmatch(r"--- (.*)\n([ -])(.*\n)\+(.*\n)", diff).groups()
    text = (folder / name).read_text()
    assert old in text, f"{name} has no line: {old}"
    (folder / name).write_text(text.replace(old, new if sign == "-" else old + new))


@pytest.fixture(scope="module")
def shell(docker, tmp_path_factory):
    """A function that runs a command in the app's folder, which lies beside a clone of this repository named hello."""
    run("make", "--silent", ".venv/tools", ".venv/dev", cwd=ROOT)
    folder = tmp_path_factory.mktemp("adopt") / "app"
    shutil.copytree(ROOT / "tests/gallery", folder, ignore=shutil.ignore_patterns("__pycache__", "static"))
    (folder.parent / "hello").symlink_to(ROOT)
    path = f"{ROOT}/.venv/bin:{os.environ['PATH']}"

    def do(command):
        return run("bash", "-euc", command, cwd=folder, env=os.environ | {"PATH": path})

    do.folder = folder
    return do


@pytest.fixture(scope="module")
def images(docker, shell):
    """Both images, built by the steps, and their volumes migrated; the last step, which tests them, is left."""
    *steps, build, _ = blocks(README, "Put your own app in")
    needs = [*blocks(ADOPTING, "A data folder")[:1], *blocks(ADOPTING, "gevent")]
    for kind, text in [*steps, *needs, build]:
        edit(shell.folder, text) if kind == "diff" else shell(text)
    (_, upgrade), *_ = blocks(ADOPTING, "A command before the start")
    for target in NAMES:
        assert shell(of(target, upgrade)) == "applied 1-picture.sql\napplied 2-checksum.sql\n"
    yield {target: docker("image", "inspect", "--format={{.Id}}", name).strip() for target, name in NAMES.items()}
    docker("volume", "rm", *(f"gallery-{target}" for target in NAMES))


def of(target, command):
    """Return a command of the README for one of the images, which gets a volume of its own."""
    named = re.sub(r"(?<=[ =])gallery(?=[ \n])", NAMES[target], command)
    return named.replace("gallery:/data", f"gallery-{target}:/data")


@pytest.fixture(scope="module", params=["runtime", "bare"])
def gallery(request, images, hardened):
    """A container of one of the images, hardened."""
    options = ["--env=SECRET_KEY=x", f"--volume=gallery-{request.param}:/data"]
    with Container(images[request.param], options=[*hardened, *options]) as server:
        yield server.wait_for_answer()


def test_lock_is_what_the_step_writes(images, shell):
    for name in ("runtime.txt", "build.txt"):
        assert (shell.folder / "requirements" / name).read_text() == (
            ROOT / "tests/gallery/requirements" / name
        ).read_text()


@pytest.fixture(scope="module")
def claims(docker, images, shell, tmp_path_factory):
    """What `make test-image` prints of both images, and its run on one that breaks claims; at once, as they wait."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "Dockerfile").write_text("FROM python:3.14-slim\nCMD exec python -m http.server 8080\n")
    docker("build", "--quiet", "--tag=gallery-test:wrong", folder)
    *_, (_, step) = blocks(README, "Put your own app in")
    with ThreadPoolExecutor() as pool:
        wrong = pool.submit(subprocess.run, ["make", "test-image", "IMAGE=gallery-test:wrong"], **WITH_OUTPUT)
        found = dict(
            zip(NAMES, pool.map(lambda target: shell(of(target, step).rstrip() + " || true"), NAMES), strict=True)
        )
        found["wrong"] = wrong.result()
    docker("image", "rm", "gallery-test:wrong")
    return found


@pytest.mark.parametrize("target", ["runtime", "bare"])
def test_contract_holds(claims, target):
    lines = [line for line in claims[target].splitlines() if not line.startswith("make")]
    hardened = "runs hardened without an error in the log as any user"
    others = [line for line in lines if not line.endswith(": holds")]
    assert others == [f"{hardened}: does not apply: its volume belongs to its own user"]
    assert len(lines) > 20


def test_image_that_breaks_the_contract_is_told_so(claims):
    done = claims["wrong"]
    assert done.returncode != 0
    for line in (
        "path is answered /: holds",
        "pid 1 is gunicorn: does not hold: PID 1 is python -m http.server 8080",
        "user is numeric and not root: does not hold: USER is '', expected numbers as in 10001:10001",
        "number of workers WEB_CONCURRENCY=3: does not apply: PID 1 is not gunicorn: python -m http.server 8080",
        "health check needs no shell: does not hold: there is no HEALTHCHECK",
    ):
        assert line in done.stdout.splitlines()
    assert "Traceback" not in done.stdout + done.stderr


def test_upload_is_listed_and_returned_whole(gallery):
    status, headers, _ = gallery.request("/", "POST", FORM, {"Content-Type": "multipart/form-data; boundary=x"})
    assert (status, headers["Location"]) == (302, "/")
    page = gallery.request("/", headers={"Cookie": headers["Set-Cookie"]})[2].decode()
    assert "<p>Added: sunset</p>" in page
    number, checksum = re.findall(r"/pictures/(\d+)\">sunset</a> (\w{8})</li>", page)[-1]
    assert gallery.request(f"/pictures/{number}")[2] == FILE
    assert gallery.python(f"import zlib; print(f'{{0x{checksum}:08x}}')") == f"{checksum}\n"


def test_static_file_is_whole(gallery):
    status, headers, body = gallery.request("/static/background.bin")
    assert (status, headers["Content-Length"], len(body)) == (200, "1000000", 1_000_000)


def test_what_was_compiled_and_a_folder_named_bin_are_there(gallery):
    assert gallery.python("import crcmod._crcfunext, huey.bin.huey_consumer, gevent._gevent_cevent") == ""


def test_start_compiles_nothing_of_the_standard_library(gallery):
    code = "import os, sys, gallery.factory, gunicorn.app.wsgiapp, gunicorn.workers.ggevent\n"
    code += "specs = [module.__spec__ for module in sys.modules.values() if getattr(module, '__spec__', None)]\n"
    code += "print([each.name for each in specs if each.cached and each.origin.endswith('.py')"
    code += " and not os.path.exists(each.cached)])"
    assert gallery.python(code) == "[]\n"


def test_200_slow_clients_hold_nobody_up(gallery):
    clients = []
    try:
        for _ in range(200):
            clients.append(socket.create_connection(("127.0.0.1", gallery.port), timeout=10))
            clients[-1].sendall(b"POST / HTTP/1.1\r\nHost: slow\r\nContent-Length: 1000000\r\n\r\nhalf of")
        for _ in range(50):
            assert gallery.request("/")[0] == 200
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("target", ["runtime", "bare"])
def test_one_line_change_pushes_at_most_16_kB(images, shell, layers, docker, target):
    app = shell.folder / "src/gallery/factory.py"
    app.write_text(app.read_text() + "\n# changed\n")
    before, after = layers(images[target]), layers(shell(f"docker build --quiet --target={target} .").strip())
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert sum(len(gzip.compress(layer)) for layer in changed) <= 16_000
    assert len(changed) == 1
