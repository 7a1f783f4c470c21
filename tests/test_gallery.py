"""The README's three commands, taken literally, put tests/gallery into both images, and there all of it works."""

import gzip
import hashlib
import os
import re
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from features import FORM, form
from shell import HARDENED, ROOT, RUN, edit, run

README = (
    (ROOT / "README.md")
    .read_text()
    .partition("## Put your own app in\n")[2]
    .partition("\n## ")[0]
)
ADOPT, BUILD, TEST = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
MIGRATE, CLAIMS = TEST.splitlines()
NAME = f"{RUN}-gallery"
IMAGES = {"runtime": NAME, "bare": f"{NAME}:bare"}
QUICK = "PYTEST_ADDOPTS=--deselect=tests/test_platforms.py"  # which freeze it for 35 s


def do(folder, command):
    """Run a command of the README, on images and a volume that have the name of this run."""
    command = re.sub(r"(?<=[ =])gallery(?=[ :])", NAME, command)
    environment = os.environ | {"PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"}
    return run("bash", "-euc", command, cwd=folder, env=environment)


@pytest.fixture(scope="module")
def folder(docker, tmp_path_factory):
    """The app's folder, beside a clone of this repository; both images are built, with gevent, and migrated."""
    folder = tmp_path_factory.mktemp("adopt") / "gallery"
    shutil.copytree(
        ROOT / "tests/gallery",
        folder,
        ignore=shutil.ignore_patterns("__pycache__", "static"),
    )
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


@pytest.mark.parametrize("target", IMAGES)
def test_app_works_hardened_with_all_that_was_compiled(folder, serve, target):
    server = serve(
        IMAGES[target],
        options=[*HARDENED, "--env=SECRET_KEY=x", f"--volume={NAME}:/data"],
    )
    file = os.urandom(2_000_000)
    assert server.request("/", "POST", form(file), FORM)[0] == 302
    number, checksum = re.findall(
        r"/pictures/(\d+)\">f</a> (\w{8})</li>", server.request()[2].decode()
    )[-1]
    assert server.request(f"/pictures/{number}")[2] == file and int(
        checksum, 16
    ) == zlib.crc32(file)
    assert server.python("import crcmod._crcfunext, gevent._gevent_cevent") == ""


def test_one_line_change_pushes_at_most_16_kB(docker, folder, layers, build):
    edit(folder / "src/gallery/factory.py", "Return the app", "Return this app")
    for target, image in IMAGES.items():
        before = docker("image", "inspect", "--format={{json .RootFS.Layers}}", image)
        after = layers(build(f"--target={target}", folder))
        (changed,) = [
            layer for layer in after if hashlib.sha256(layer).hexdigest() not in before
        ]
        assert len(gzip.compress(changed)) <= 16_000


def test_image_that_breaks_the_contract_is_told_so(build, folder, tmp_path):
    (tmp_path / "Dockerfile").write_text(
        "FROM python:3.14-slim\nCMD exec python -m http.server ${PORT:-8080}\n"
    )
    said = do(
        folder,
        f"! {QUICK} make --silent -C ../hello test-image IMAGE={build(tmp_path)} 2>&1",
    )
    assert {
        "paths are answered: holds",
        "user is numeric and not root: does not hold: USER is '', expected numbers as in 10001:10001",
        "number of workers WEB_CONCURRENCY=3: does not apply: PID 1 is not gunicorn: python -m http.server 8080",
        "number of workers GUNICORN_CMD_ARGS=--workers=3: does not apply: as above",
    } < set(said.splitlines())
    assert "Traceback" not in said


def test_contract_holds(folder, claims):
    said = (
        do(folder, f"{QUICK} {CLAIMS.replace('=gallery ', '=gallery:bare ')}")
        + claims.result()
    )
    lines = [line for line in said.splitlines() if not line.startswith("make")]
    others = {line for line in lines if not line.endswith(": holds")}
    owned = (
        "runs hardened without an error in the log as any user",
        "holds on AWS Lambda",
        "holds on Heroku",
    )
    assert others == {
        f"{claim}: does not apply: its volume belongs to its own user"
        for claim in owned
    }
    assert len(lines) == 40
