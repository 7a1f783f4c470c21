"""The README's commands put tests/gallery into both images, and there it works."""

import gzip
import os
import re
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from features import FORM, form
from images import inspect, read_layers
from readme import ADOPTION, HARDENED
from servers import Process, free_port
from shell import ROOT, RUN, edit, run

ADOPT, BUILD, MIGRATE, SERVE, CLAIMS = ADOPTION
NAME = f"{RUN}-gallery"
IMAGES = {"runtime": NAME, "bare": f"{NAME}:bare"}


def named(command):
    """Return a command of the README for the images and the volume of this run."""
    return re.sub(r"(?<=[ =])gallery(?=[ :\n]|$)", NAME, command)


def do(folder, command):
    path = f"{ROOT}/.venv/bin:{os.environ['PATH']}"
    shell = ["bash", "-euc", named(command)]
    return run(*shell, cwd=folder, env=os.environ | {"PATH": path})


@pytest.fixture(scope="module")
def folder(docker, tmp_path_factory):
    """The app's folder; both images are built, with gevent, and migrated."""
    folder = tmp_path_factory.mktemp("adopt") / "gallery"
    ignore = shutil.ignore_patterns("__pycache__", "static")
    shutil.copytree(ROOT / "tests/gallery", folder, ignore=ignore)
    (folder.parent / "hello").symlink_to(ROOT)
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
    """A future of what the README's command says of `runtime`: mostly it waits."""
    with ThreadPoolExecutor() as pool:
        yield pool.submit(do, folder, CLAIMS)


def test_command_shows_the_app(folder):
    port = free_port()
    command = named(SERVE).replace("-p 8080:", f"-p {port}:")
    with Process(["bash", "-c", command], folder, port) as server:
        assert server.wait_for_answer().request()[0] == 200


@pytest.mark.parametrize("target", IMAGES)
def test_app_works_hardened_with_all_that_was_compiled(folder, serve, target):
    options = [*HARDENED, "--env=SECRET_KEY=x", f"--volume={NAME}:/data"]
    server = serve(IMAGES[target], options=options)
    file = os.urandom(2_000_000)
    assert server.request("/", "POST", form(file), FORM)[0] == 302
    page = server.request("/")[2].decode()
    assert f"{zlib.crc32(file):08x}" in page
    path = re.findall(r"/pictures/\d+", page)[-1]
    assert server.request(path)[2] == file
    # pipe has a name that starts as pip's.
    modules = "crcmod._crcfunext, gevent._gevent_cevent, pipe"
    assert server.python(f"import {modules}") == ""


def test_one_line_change_pushes_one_layer_of_16_kB_without_a_cache(folder, build):
    """The app compiles C, in a folder of another name each time."""
    edit(folder / "src/gallery/factory.py", "Return the app", "Return this app")
    for target, image in IMAGES.items():
        changed = build("--no-cache", f"--target={target}", folder)
        before, after = (inspect(name)["RootFS"]["Layers"] for name in (image, changed))
        assert before[:-1] == after[:-1] and before[-1] != after[-1]
        assert len(gzip.compress(read_layers(changed)[-1])) <= 16_000


def test_image_that_breaks_the_contract_is_told_so(build, folder):
    # timeout passes SIGTERM on. Python as PID 1 would ignore it, for 10 s each time.
    command = "CMD exec timeout 1h python -m http.server ${PORT:-8080}\n"
    image = build("-", input=f"FROM python:3.14-slim\n{command}")
    words = do(folder, f"! make -s -C ../hello test-image IMAGE={image} 2>&1")
    assert {
        "paths are answered: holds",
        "user is numeric and not root: does not hold (pattern): USER is '',"
        " expected numbers as in 10001:10001",
    } < set(words.splitlines())
    assert "WEB_CONCURRENCY=3: does not apply: PID 1 is not gunicorn: " in words
    assert "Traceback" not in words


def test_contract_holds(folder, claims):
    """But for what cannot be tried on a volume that belongs to the image's own user."""
    words = do(folder, CLAIMS.replace("=gallery ", "=gallery:bare "))
    words += claims.result()
    lines = [line for line in words.splitlines() if not line.startswith("make")]
    reason = "does not apply: its volume belongs to its own user"
    assert {line for line in lines if not line.endswith(": holds")} == {
        f"holds on AWS Lambda: {reason}",
        f"holds on Heroku: {reason}",
    }
