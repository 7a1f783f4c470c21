"""adopt.py without Docker: what it writes for an app, what it says of one, and where it writes nothing."""

import os
import re
import subprocess
import sys

import pytest
from project import ROOT, run

FLASK = "import flask\napp = flask.Flask(__name__)\n"
PROJECT = '[project]\nname = "shop"\nversion = "1"\ndescription = "shop"\ndependencies = ["flask"{}]\n'
PACKAGE = {"pyproject.toml": PROJECT.format(""), "shop/__init__.py": FLASK}
HATCHLING = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n{}' + PROJECT
ASKS = '[tool.hatch.build.hooks.custom]\ndependencies = ["markdown"]\n'
HOOK = "from hatchling.builders.hooks.plugin.interface import BuildHookInterface as Hook\n"
HOOK += "class Pages(Hook):\n    page = open('pages/index.md')\n"
HOOKED = {"shop.py": FLASK, "pyproject.toml": HATCHLING.format(ASKS, ""), "hatch_build.py": HOOK}
# One app that needs everything, and what is said of it.
DEPENDENCIES = ', "psycopg", "celery", "flask-socketio", "apscheduler", "flask-migrate", "prometheus-client"'
CODE = "import config\nflask.Flask(__name__, instance_relative_config=True).config.from_object('settings.A')\n"
CODE += "os.environ['KEY'] + os.environ[\"OTHER\"] + open('data/model.txt')\n"
FILES = dict.fromkeys(["config.py", "settings.py", "make_celery.py", "templates/a.html", "data/model.txt"], "") | {
    "pyproject.toml": HATCHLING.format("", DEPENDENCIES) + 'requires-python = ">=3.11,<3.14"\n',
    "shop/__init__.py": CODE,
    "Dockerfile": "RUN apt-get update && apt-get install -y \\\ngraphviz libmagic1 && pip install flask\n",
}
SAID = """\
? What the wheel lacks: config.py, make_celery.py, settings.py, templates/a.html
? Files by a relative path: data/model.txt
? Another Python: requires-python = ">=3.11,<3.14"
? `psycopg` without an extra: psycopg
? Debian's packages: -y graphviz libmagic1
? Variables and secrets: environ
? A data folder: instance_relative_config
? Migrations and other commands: alembic
? Two workers share no memory: apscheduler
? WebSockets: flask-socketio
? A queue's worker: celery
? Metrics: prometheus-client
docker build -t shop . && docker build --target bare -t shop:bare .
docker run --rm --env=KEY=x --env=OTHER=x --volume=shop:/data shop flask --app 'shop:app' db upgrade
make -C ../hello test-image IMAGE=shop PATHS=/ OPTIONS="--env=KEY=x --env=OTHER=x --volume=shop:/data"
"""


@pytest.fixture
def adopt(tmp_path, source):
    """A function that writes an app's files and runs adopt.py in its folder, beside a copy of this project."""
    source.rename(tmp_path / "hello")
    folder = tmp_path / "shop"
    folder.mkdir()

    def do(files, *arguments, status=0, **variables):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        environment = os.environ | {"PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"} | variables
        # Root writes into every folder, unless it loses this capability.
        user = ["/usr/bin/setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
        command = [*user, sys.executable, "../hello/adopt.py", *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stderr if status else done.stdout

    do.folder = folder
    do.files = lambda: {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    do.read = lambda name: (folder / name).read_text()
    do.locked = lambda name="runtime": dict(re.findall(r"(?m)^(\S+)==(\S+)", do.read(f"requirements/{name}.txt")))
    return do


def test_pattern_is_copied_and_three_files_edited(adopt):
    adopt(PACKAGE, "--data=/usr/local/var/shop-instance", "--compose", "shop:app")
    copied = adopt.files() - {*PACKAGE, "requirements/build.txt", "requirements/runtime.txt"}
    assert {"compose.yaml", "deploy/nginx.conf", "docker/.gitattributes", "deploy/.gitattributes"} < copied
    edited = {name for name in copied if adopt.read(name) != (ROOT / name).read_text()}
    assert edited == {".dockerignore", "docker/gunicorn.conf.py", "Dockerfile"}
    assert "\n!shop\n" in adopt.read(".dockerignore") and "hello_app" not in adopt.read(".dockerignore")
    assert '\nwsgi_app = "shop:app"\n' in adopt.read("docker/gunicorn.conf.py")
    folders = "\nWORKDIR /usr/local/var\nUSER 10001:10001\nWORKDIR /usr/local/var/shop-instance\n"
    assert adopt.read("Dockerfile").count(folders) == (ROOT / "Dockerfile").read_text().count("USER ") == 2
    assert os.access(adopt.folder / "deploy/rollout.sh", os.X_OK)


def test_again_keeps_what_the_app_wrote_and_shows_what_the_pattern_has(adopt):
    adopt(PACKAGE, "shop:app")
    mine = {"Dockerfile": adopt.read("Dockerfile") + "# mine\n", "docker/gunicorn.conf.py": "wsgi_app = 1\n"}
    probe = adopt.folder.parent / "hello/docker/probe.py"
    probe.write_text(probe.read_text() + "# newer\n")
    said = adopt(mine, "shop:app")
    assert "+# newer\n" in said and "-# mine\n" in said and "-wsgi_app = 1\n" in said and "wrote" not in said
    assert mine == {name: adopt.read(name) for name in mine}


def test_flat_app_gets_a_pyproject_and_keeps_its_markers(adopt):
    pinned = "flask[async] == 3.1.0\ncolorama==0.4.5 ; os_name == 'nt' \\\n    --hash=sha256:0\n"
    (adopt.folder / "requirements.txt").write_text(pinned)
    unpin = re.search(r"`(sed -i .* requirements.txt)`", (ROOT / "ADOPTING.md").read_text())[1]
    run("bash", "-c", unpin, cwd=adopt.folder)
    assert "wrote pyproject.toml\n" in adopt({"app.py": f"import lib\n{FLASK}", "lib/__init__.py": ""}, "app:app")
    assert '\ninclude = ["/*.py", "/lib", "/templates", "/static", "/migrations"]\n' in adopt.read("pyproject.toml")
    assert "\n!lib\n" in adopt.read(".dockerignore")
    assert re.search("(?m)^colorama==0.4.[6-9] ; os_name == 'nt'", adopt.read("requirements/runtime.txt"))
    assert {"asgiref", "gunicorn"} < set(adopt.locked())


@pytest.mark.parametrize(("files", "asked"), [(PACKAGE, "setuptools"), (HOOKED | {"pages/index.md": ""}, "markdown")])
def test_locks_have_hashes_no_address_and_what_the_backend_asks_for(adopt, files, asked):
    allow = [f"--allow={name}" for name in ("pages",) if f"{name}/index.md" in files]
    adopt(files, *allow, "shop:app")
    assert {"build", "installer", asked} < set(adopt.locked("build"))
    for name in ("build", "runtime"):
        lock = adopt.read(f"requirements/{name}.txt")
        assert len(re.findall(r"(?m)^\w.*\\\n    --hash=sha256:", lock)) == len(adopt.locked(name))
        assert "://" not in lock and "index" not in lock
    adopt({}, *allow, "shop:app")  # setuptools does not take docker/ for a package


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "requirements/runtime.txt"])
def test_locked_version_stays_until_it_is_upgraded(adopt, name):
    pin = "flask==3.1.0\n" if name.endswith("txt") else 'name = "flask"\nversion = "3.1.0"\n'
    adopt(PACKAGE | {name: pin}, "shop:app")
    assert adopt.locked()["flask"] == "3.1.0"
    (adopt.folder / name).unlink()
    adopt({}, "--upgrade-package", "flask", "shop:app")
    assert adopt.locked()["flask"] > "3.1.0"


@pytest.mark.parametrize(
    ("files", "variables", "message"),
    [
        ({"shop.py": FLASK}, {}, "File not found: requirements.txt"),
        ({}, {}, "There is no module shop in this folder or in its src/"),
        (PACKAGE, {"PATH": "/nowhere"}, "uv is missing: pip install uv"),
        (PACKAGE, {"UV_INDEX_URL": "http://127.0.0.1:9", "UV_CACHE_DIR": "cache", "UV_HTTP_RETRIES": "0"}, "refused"),
        (PACKAGE | {"pyproject.toml": PROJECT.format(', "gunicorn<27"')}, {}, "Write gunicorn>=27.0.1 in place of"),
        (PACKAGE | {"uv.lock": 'name = "gunicorn"\nversion = "20.1.0"\n'}, {}, "Write gunicorn>=27.0.1 in place of"),
        (HOOKED, {}, "No such file or directory: 'pages/index.md' (--allow names what else the build reads)"),
    ],
)
def test_nothing_is_written_where_it_fails(adopt, files, variables, message):
    said = adopt(files, "shop:app", status=1, **variables)
    assert message in said and said.count("\n") == 1
    assert adopt.files() == set(files)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--data=data"], "--data takes an absolute path, such as /data"),
        (["--allow=none"], "--allow takes what lies in this folder"),
    ],
)
def test_wrong_option_is_said_and_nothing_is_written(adopt, wrong, message):
    assert adopt(PACKAGE, *wrong, "shop:app", status=1) == f"{message}\n"
    assert adopt.files() == set(PACKAGE)


def test_namespace_package_goes_in(adopt):
    project = HATCHLING.format('[tool.hatch.build.targets.wheel]\npackages = ["shop"]\n', "")
    adopt({"pyproject.toml": project, "shop/web/__init__.py": FLASK}, "shop.web:app")
    assert "\n!shop\n" in adopt.read(".dockerignore")


def test_folder_is_not_writable(adopt):
    (adopt.folder / "shop.py").touch()
    adopt.folder.chmod(0o555)
    assert adopt({}, "shop:app", status=1) == "This folder is not writable\n"


def test_what_it_cannot_decide_is_said_with_the_line_that_answers(adopt):
    said = adopt(FILES, "--data=/data", "shop:app")
    page = (ROOT / "ADOPTING.md").read_text().splitlines()
    for title, line in re.findall(r"(?m)^\? (.*?): .* \(../hello/ADOPTING.md:(\d+)\)$", said):
        assert page[int(line) - 1].startswith(f"- **{title}")
    assert re.sub(r"wrote .*\n| +\(.*:\d+\)", "", said) == SAID
    assert adopt.read("Dockerfile.orig") == FILES["Dockerfile"]
