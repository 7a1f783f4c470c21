"""The README's three commands, taken literally, put tests/gallery into both images, and there all of it works."""

import gzip
import json
import os
import re
import shutil
import subprocess
import uuid

import pytest
from project import ROOT, run
from servers import Container

README = (ROOT / "README.md").read_text().partition("## Put your own app in\n")[2].partition("\n## ")[0]
ADOPT, BUILD, TEST = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
MIGRATE, CLAIMS = TEST.splitlines()
NAME = f"gallery-{uuid.uuid4().hex[:8]}"  # neither another run nor the user has it
IMAGES = {"runtime": NAME, "bare": f"{NAME}:bare"}
ENVIRONMENT = os.environ | {"PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"}
FILE = os.urandom(2_000_000)
FORM = b'--x\r\nContent-Disposition: form-data; name="caption"\r\n\r\nsunset\r\n--x\r\n'
FORM += b'Content-Disposition: form-data; name="picture"; filename="p"\r\n\r\n' + FILE + b"\r\n--x--\r\n"


def do(folder, command, target="runtime"):
    """Run a command of the README for one of the images of this run, which has a volume of its own."""
    command = re.sub(r"(?<=[ =])gallery(?=:/data)", f"{NAME}-{target}", command)
    command = re.sub(r"(?<=[ =])gallery(?=[ :\n])", IMAGES[target], command)
    return run("bash", "-euc", command, cwd=folder, env=ENVIRONMENT)


@pytest.fixture(scope="module")
def folder(docker, tmp_path_factory):
    """The app's folder, beside a clone of this repository; both images are built, with gevent, and migrated."""
    run("make", "--silent", ".venv/dev", cwd=ROOT)  # before two of them do so at once
    folder = tmp_path_factory.mktemp("adopt") / "gallery"
    shutil.copytree(ROOT / "tests/gallery", folder, ignore=shutil.ignore_patterns("__pycache__", "static"))
    (folder.parent / "hello").symlink_to(ROOT)
    do(folder, ADOPT)
    settings = folder / "docker/gunicorn.conf.py"
    settings.write_text(settings.read_text().replace("threads = 16", 'worker_class = "gevent"'))
    do(folder, BUILD)
    for target in IMAGES:
        assert do(folder, MIGRATE, target) == "applied 1-picture.sql\napplied 2-checksum.sql\n"
    yield folder
    docker("volume", "rm", *(f"{NAME}-{target}" for target in IMAGES))
    docker("image", "rm", *IMAGES.values())


@pytest.fixture(scope="module", params=IMAGES)
def gallery(request, folder, hardened):
    """A container of one of the images, hardened, with the access log in JSON of ADOPTING.md."""
    log = re.search(r"`(GUNICORN_CMD_ARGS=--access-logformat=.*)`", (ROOT / "ADOPTING.md").read_text())[1]
    options = ["--env=SECRET_KEY=x", f"--env={log}", f"--volume={NAME}-{request.param}:/data"]
    with Container(IMAGES[request.param], options=[*hardened, *options]) as server:
        yield server.wait_for_answer()


@pytest.fixture(scope="module")
def claims(docker, folder):
    """What `make test-image` prints of both images, and of one that breaks claims; in turn, as each is busy."""
    dockerfile = b"FROM python:3.14-slim\nCMD exec python -m http.server ${PORT:-8080}\n"
    subprocess.run(["docker", "build", "--quiet", f"--tag={NAME}:wrong", "-"], input=dockerfile, check=True)
    wrong = f"! make --silent -C ../hello test-image IMAGE={NAME}:wrong 2>&1"
    printed = map(do, [folder] * 3, [CLAIMS, CLAIMS, wrong], [*IMAGES, "runtime"])
    found = dict(zip([*IMAGES, "wrong"], printed, strict=True))
    docker("image", "rm", f"{NAME}:wrong")
    return found


@pytest.mark.parametrize("target", IMAGES)
def test_contract_holds(claims, target):
    lines = [line for line in claims[target].splitlines() if not line.startswith("make")]
    others = {line for line in lines if not line.endswith(": holds")}
    owned = ("runs hardened without an error in the log as any user", "holds on AWS Lambda", "holds on Heroku")
    assert others == {f"{claim}: does not apply: its volume belongs to its own user" for claim in owned}
    assert len(lines) > 20


def test_image_that_breaks_the_contract_is_told_so(claims):
    server = "python -m http.server 8080"
    assert {
        "path is answered /: holds",
        f"pid 1 is gunicorn: does not hold: PID 1 is {server}",
        "user is numeric and not root: does not hold: USER is '', expected numbers as in 10001:10001",
        f"number of workers WEB_CONCURRENCY=3: does not apply: PID 1 is not gunicorn: {server}",
        "health check needs no shell and is sick where nothing answers: does not hold: there is no HEALTHCHECK",
    } < set(claims["wrong"].splitlines())
    assert "Traceback" not in claims["wrong"]


def test_locks_are_what_adopt_py_writes(folder):
    for name in ("requirements/runtime.txt", "requirements/build.txt"):
        assert (folder / name).read_text() == (ROOT / "tests/gallery" / name).read_text()


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


def test_what_was_compiled_is_there(gallery):
    assert gallery.python("import crcmod._crcfunext, huey.bin.huey_consumer, gevent._gevent_cevent") == ""


def test_access_log_can_be_json(gallery, docker):
    gallery.request('/?quoted="')
    gallery.wait(lambda: "quoted" in gallery.log(), "the line of an access")
    requests = [json.loads(line)["request"] for line in docker("logs", gallery.id).splitlines()]
    assert 'GET /?quoted=" HTTP/1.1' in requests


@pytest.mark.parametrize("target", IMAGES)
def test_one_line_change_pushes_at_most_16_kB(folder, layers, build, target):
    app = folder / "src/gallery/factory.py"
    app.write_text(app.read_text() + "\n# changed\n")
    before, after = layers(IMAGES[target]), layers(build(folder, f"--target={target}"))
    (changed,) = [new for old, new in zip(before, after, strict=True) if old != new]
    assert len(gzip.compress(changed)) <= 16_000
