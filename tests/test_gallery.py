"""The README's three commands, taken literally, put tests/gallery into both images, and there all of it works."""

import gzip
import json
import os
import re
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from project import ROOT, RUN, edit, run
from servers import Container

README = (ROOT / "README.md").read_text().partition("## Put your own app in\n")[2].partition("\n## ")[0]
ADOPT, BUILD, TEST = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
MIGRATE, CLAIMS = TEST.splitlines()
NAME = f"{RUN}-gallery"
IMAGES = {"runtime": NAME, "bare": f"{NAME}:bare"}
QUICK = "PYTEST_ADDOPTS=--deselect=tests/test_platforms.py"  # which freeze it for 35 s
FILE = os.urandom(2_000_000)
FORM = b'--x\r\nContent-Disposition: form-data; name="caption"\r\n\r\nsunset\r\n--x\r\n'
FORM += b'Content-Disposition: form-data; name="picture"; filename="p"\r\n\r\n' + FILE + b"\r\n--x--\r\n"


def do(folder, command):
    """Run a command of the README, on images and a volume that have the name of this run."""
    command = re.sub(r"(?<=[ =])gallery(?=[ :])", NAME, command)
    environment = os.environ | {"PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"}
    return run("bash", "-euc", command, cwd=folder, env=environment)


@pytest.fixture(scope="module")
def folder(docker, tmp_path_factory):
    """The app's folder, beside a clone of this repository; both images are built, with gevent, and migrated."""
    folder = tmp_path_factory.mktemp("adopt") / "gallery"
    shutil.copytree(ROOT / "tests/gallery", folder, ignore=shutil.ignore_patterns("__pycache__", "static"))
    (folder.parent / "hello").symlink_to(ROOT)
    run("make", "--silent", ".venv/dev", cwd=ROOT)  # before two of them do so at once
    do(folder, ADOPT)
    edit(folder / "docker/gunicorn.conf.py", "threads = 16", 'worker_class = "gevent"')
    do(folder, BUILD)
    assert do(folder, MIGRATE) == "applied 1-picture.sql\n"
    assert do(folder, MIGRATE.replace(" gallery ", " gallery:bare ")) == ""
    yield folder
    docker("volume", "rm", NAME)
    docker("image", "rm", *IMAGES.values())


@pytest.fixture(scope="module", autouse=True)
def claims(folder):
    """A future of what the README's command prints of `runtime`: it waits most of the time, while other tests run."""
    with ThreadPoolExecutor() as pool:
        yield pool.submit(do, folder, CLAIMS)


@pytest.fixture(scope="module", params=IMAGES)
def gallery(request, folder, hardened):
    """A container of one of the images, hardened, with the access log in JSON of ADOPTING.md."""
    log = re.search(r"`(GUNICORN_CMD_ARGS=--access-logformat=.*)`", (ROOT / "ADOPTING.md").read_text())[1]
    options = ["--env=SECRET_KEY=x", f"--env={log}", f"--volume={NAME}:/data"]
    with Container(IMAGES[request.param], options=[*hardened, *options]) as server:
        yield server.wait_for_answer()


def test_locks_are_what_adopt_py_writes(folder):
    run("diff", "-r", ROOT / "tests/gallery/requirements", folder / "requirements")


def test_upload_is_listed_and_returned_whole(gallery):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert gallery.request("/", "POST", FORM, headers)[0] == 302
    number, checksum = re.findall(r"/pictures/(\d+)\">sunset</a> (\w{8})</li>", gallery.request()[2].decode())[-1]
    assert gallery.request(f"/pictures/{number}")[2] == FILE
    assert int(checksum, 16) == zlib.crc32(FILE)


def test_what_was_compiled_is_there(gallery):
    assert gallery.python("import crcmod._crcfunext, huey.bin.huey_consumer, gevent._gevent_cevent") == ""


def test_access_log_can_be_json(gallery):
    gallery.request('/?quoted="')
    line = gallery.wait(lambda: re.search(".*quoted.*", gallery.log()), "the line of an access")[0]
    assert json.loads(line)["request"] == 'GET /?quoted=" HTTP/1.1'


def test_one_line_change_pushes_at_most_16_kB(folder, layers, build):
    edit(folder / "src/gallery/factory.py", "Return the app", "Return this app")
    for target, image in IMAGES.items():
        before, after = layers(image), layers(build(folder, f"--target={target}"))
        (changed,) = [new for old, new in zip(before, after, strict=True) if old != new]
        assert len(gzip.compress(changed)) <= 16_000


def test_image_that_breaks_the_contract_is_told_so(build, folder, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM python:3.14-slim\nCMD exec python -m http.server ${PORT:-8080}\n")
    said = do(folder, f"! {QUICK} make --silent -C ../hello test-image IMAGE={build(tmp_path)} 2>&1")
    assert {
        "path is answered /: holds",
        "user is numeric and not root: does not hold: USER is '', expected numbers as in 10001:10001",
        "number of workers WEB_CONCURRENCY=3: does not apply: PID 1 is not gunicorn: python -m http.server 8080",
        "number of workers GUNICORN_CMD_ARGS=--workers=3: does not apply: as above",
    } < set(said.splitlines())
    assert "Traceback" not in said


def test_contract_holds(folder, claims):
    said = do(folder, f"{QUICK} {CLAIMS.replace('=gallery ', '=gallery:bare ')}") + claims.result()
    lines = [line for line in said.splitlines() if not line.startswith("make")]
    others = {line for line in lines if not line.endswith(": holds")}
    owned = ("runs hardened without an error in the log as any user", "holds on AWS Lambda", "holds on Heroku")
    assert others == {f"{claim}: does not apply: its volume belongs to its own user" for claim in owned}
    assert len(lines) > 40
