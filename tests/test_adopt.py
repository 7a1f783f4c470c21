"""adopt.py without Docker: what it writes for an app, what it says of one, and where it writes nothing."""

import os
import re
import subprocess
import sys

import pytest
from shell import ROOT, run

FLASK = "import flask\napp = flask.Flask(__name__)\n"
PROJECT = '[project]\nname = "shop"\nversion = "1"\ndescription = "shop"\ndependencies = ["flask"{}]\n'
PACKAGE = {"pyproject.toml": PROJECT.format(""), "shop/__init__.py": FLASK}
HATCHLING = '[build-system]\nrequires = ["hatchling", "wheel"]\nbuild-backend = "hatchling.build"\n{}' + PROJECT
ASKS = '[tool.hatch.build.hooks.custom]\ndependencies = ["markdown"]\n'
HOOK = "from hatchling.builders.hooks.plugin.interface import BuildHookInterface as Hook\n"
HOOK += "class Pages(Hook):\n    page = open('pages/index.md')\n"
# Its package is in a folder without an __init__.py.
HOOKED = {"plaza/shop/__init__.py": FLASK, "pyproject.toml": HATCHLING.format(ASKS, ""), "hatch_build.py": HOOK}
# One app that needs everything; adopt.txt is what is said of it.
DEPENDENCIES = ', "psycopg", "celery", "flask-socketio", "apscheduler", "flask-migrate", "prometheus-client"'
CODE = "import config\nflask.Flask(__name__, instance_relative_config=True).config.from_object('settings.A')\n"
CODE += "os.environ['KEY'] + os.environ[\"OTHER\"] + open('data/model.txt')\n"
FILES = dict.fromkeys(["config.py", "settings.py", "make_celery.py", "templates/a.html", "data/model.txt"], "") | {
    "pyproject.toml": HATCHLING.format("", DEPENDENCIES) + 'requires-python = ">=3.11,<3.14"\n',
    "shop/__init__.py": CODE,
    "Dockerfile": "RUN apt-get update && apt-get install -y \\\ngraphviz libmagic1 && pip install flask\nENV MODE=x\n",
    "requirements.txt": "flask==3.0.0\n",
}


@pytest.fixture
def adopt(tmp_path):
    """A function that writes an app's files and runs adopt.py in its folder, which lies beside this project."""
    (tmp_path / "hello").symlink_to(ROOT)
    folder = tmp_path / "shop"
    folder.mkdir()

    def do(files, *arguments, status=0, **variables):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        environment = os.environ | {"PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"} | variables
        command = [sys.executable, "../hello/adopt.py", *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stderr if status else done.stdout

    do.files = lambda: {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}
    do.locked = lambda name="runtime": dict(re.findall(r"(?m)^(\S+)==(\S+)", do.files()[f"requirements/{name}.txt"]))
    return do


def test_pattern_is_copied_and_three_files_edited(adopt, tmp_path):
    adopt(PACKAGE, "--data=/usr/local/var/shop-instance", "--compose", "shop:app")
    files = adopt.files()
    copied = files.keys() - {*PACKAGE, "requirements/build.txt", "requirements/runtime.txt"}
    assert {"compose.yaml", "deploy/nginx.conf", "docker/.gitattributes", "deploy/.gitattributes"} < copied
    edited = {name for name in copied if files[name] != (ROOT / name).read_text()}
    assert edited == {".dockerignore", "docker/gunicorn.conf.py", "Dockerfile"}
    folders = "\nWORKDIR /usr/local/var\nUSER 10001:10001\nWORKDIR /usr/local/var/shop-instance\n"
    assert files["Dockerfile"].count(folders) == (ROOT / "Dockerfile").read_text().count("USER ") == 2
    assert os.access(tmp_path / "shop/deploy/rollout.sh", os.X_OK)


def test_again_keeps_what_the_app_wrote_and_shows_what_the_pattern_has(adopt):
    user = "USER 10001:10001\n"
    dockerfile = (ROOT / "Dockerfile").read_text().replace(user, f"WORKDIR /\n{user}WORKDIR /data\n")
    mine = {
        "Dockerfile": f"{dockerfile}# mine",
        "docker/gunicorn.conf.py": "wsgi_app = 1\n",
        "docker/bytecode.py": "#",
    }
    said = adopt(PACKAGE | mine, "shop:app")
    assert "-# mine\n" in said and "-wsgi_app = 1\n" in said and "+threads = 16\n" in said
    assert "WORKDIR /data" not in said
    assert mine.items() < adopt.files().items()


def test_flat_app_gets_a_pyproject_and_keeps_its_markers(adopt, tmp_path):
    pinned = "flask[async] == 3.1.0\ncolorama==0.4.5 ; os_name == 'nt' \\\n    --hash=sha256:0\n"
    (tmp_path / "shop/requirements.txt").write_text(pinned)
    unpin = re.search(r"`(sed -i .* requirements.txt)`", (ROOT / "ADOPTING.md").read_text())[1]
    run("bash", "-c", unpin, cwd=tmp_path / "shop")
    assert "wrote pyproject.toml\n" in adopt({"app.py": f"import lib\n{FLASK}", "lib/__init__.py": ""}, "app:app")
    assert '\ninclude = ["/*.py", "/lib", "/templates", "/static", "/migrations"]\n' in adopt.files()["pyproject.toml"]
    assert "\n!lib\n" in adopt.files()[".dockerignore"]
    assert re.search("(?m)^colorama==0.4.[6-9] ; os_name == 'nt'", adopt.files()["requirements/runtime.txt"])
    assert {"asgiref", "gunicorn"} < set(adopt.locked())


def test_build_lock_has_what_the_backend_and_its_hook_ask_for(adopt):
    adopt(HOOKED | {"pages/index.md": ""}, "--allow=pages", "plaza.shop:app")
    assert {"build", "installer", "hatchling", "wheel", "markdown"} < set(adopt.locked("build"))
    assert "\n!plaza\n!pages\n" in adopt.files()[".dockerignore"]


def test_locked_version_stays_until_it_is_upgraded(adopt):
    """One that a uv.lock or a poetry.lock names comes first."""
    lock = 'name = "{}"\nversion = "{}"\n'
    locks = {"uv.lock": lock.format("jinja2", "3.1.5"), "poetry.lock": lock.format("click", "8.1.7")}
    earlier = {"requirements/runtime.txt": "click==8.1.8\nflask==3.1.0\nmarkupsafe==3.0.1\n"}
    adopt(PACKAGE | locks | earlier, "shop:app")
    before = adopt.locked()
    assert {"jinja2": "3.1.5", "click": "8.1.7", "flask": "3.1.0", "markupsafe": "3.0.1"}.items() < before.items()
    adopt({}, "--upgrade-package", "flask", "shop:app")
    assert [name for name, version in adopt.locked().items() if before[name] != version] == ["flask"]


@pytest.mark.parametrize(
    ("files", "arguments", "variables", "message"),
    [
        ({}, "shop:app", {}, "There is no module shop in this folder or in its src/"),
        (PACKAGE, "shop:app", {"PATH": "/nowhere"}, "uv is missing: pip install uv"),
        (PACKAGE, "shop:app --data=data", {}, "--data takes an absolute path, such as /data"),
        (PACKAGE, "shop:app --allow=none", {}, "--allow takes what lies in this folder"),
        (PACKAGE | {"pyproject.toml": PROJECT.format(', "gunicorn<27"')}, "shop:app", {}, "Write gunicorn>=27.0.1 in"),
        (HOOKED, "plaza.shop:app", {}, "'pages/index.md' (--allow names what else the build reads)"),
    ],
)
def test_failure_is_said_in_one_line_and_nothing_is_written(adopt, files, arguments, variables, message):
    said = adopt(files, *arguments.split(), status=1, **variables)
    assert message in said and said.count("\n") == 1
    assert adopt.files() == files


def test_what_it_cannot_decide_is_said_with_the_line_that_answers(adopt):
    said = adopt(FILES, "--data=/data", "shop:app")
    page = (ROOT / "ADOPTING.md").read_text().splitlines()
    for title, line in re.findall(r"(?m)^\? (.*?): .* \(../hello/ADOPTING.md:(\d+)\)$", said):
        assert page[int(line) - 1].startswith(f"- **{title}")
    assert re.sub(r"wrote .*\n| +\(.*:\d+\)", "", said) == (ROOT / "tests/adopt.txt").read_text()
    assert adopt.files()["Dockerfile.orig"] == FILES["Dockerfile"]
