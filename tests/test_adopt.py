"""adopt.py without Docker: its functions, and what it makes of six apps."""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from claims import reason
from shell import ROOT, commit, edit

import adopt

FLASK = "import flask\napp = flask.Flask(__name__)\n"
PROJECT = '[project]\nname = "shop"\nversion = "1"\ndependencies = ["flask"{}]\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, the current one, that lies beside this project."""
    (tmp_path / "hello").symlink_to(ROOT)
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    monkeypatch.setattr(adopt, "HELLO", Path("../hello"))
    return tmp_path / "shop"


def write(files):
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


def contents():
    paths = [path for path in Path().rglob("*") if path.is_file()]
    return {str(path): path.read_text() for path in paths if path.parts[0] != ".git"}


def put_in(*arguments, status=0):
    """Run adopt.py as a user does, and return what it prints."""
    path = f"{ROOT}/.venv/bin:{os.environ['PATH']}"
    command = [sys.executable, "../hello/adopt.py", *arguments]
    environment = os.environ | {"PATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stderr if status else done.stdout


def versions(name="runtime"):
    text = Path(f"requirements/{name}.txt").read_text()
    return dict(re.findall(r"(?m)^(\S+)==(\S+)", text))


# Pure functions


@pytest.mark.parametrize("source", ["a/b.py", "src/a/b.py", "src/a/b/__init__.py"])
def test_module_is_looked_for_here_and_in_src(folder, source):
    write({source: FLASK})
    assert adopt.find_module("a.b:app") == Path(source)


def test_package_comes_before_a_module_of_its_name(folder):
    """As in an import."""
    write({"shop.py": "", "shop/__init__.py": FLASK})
    assert adopt.find_module("shop:app") == Path("shop/__init__.py")


@pytest.mark.parametrize(
    ("app", "message"),
    [
        ("shop", "Name the app as MODULE:APP: shop:app, or shop:create_app()"),
        ("shop:app)", "Name the app as MODULE:APP"),
        ("none:app", "There is no module none in this folder or in its src/"),
        ("shop:ap", "shop.py has no ap"),
    ],
)
def test_wrong_app_is_named(folder, app, message):
    write({"shop.py": FLASK})
    with pytest.raises(SystemExit, match=re.escape(message)):
        adopt.find_module(app)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data=data"], "--data takes an absolute path of its own, such as /data"),
        (["--data=/tmp"], "--data takes an absolute path of its own, such as /data"),
        (["--data=/a/.."], "--data takes an absolute path of its own, such as /data"),
        (["--dat", "/a"], "/a: an option of uv pip compile is --name=value"),
        (["--allow=none"], "--allow: there is no none in this folder"),
        (["--update"], "--update writes over your files: commit them to git first"),
    ],
)
def test_wrong_argument_is_named(folder, arguments, message):
    write({"shop.py": FLASK})
    assert put_in("shop:app", *arguments, status=1) == f"{message}\n"


def test_app_is_flat_if_nothing_makes_a_package_of_it(folder):
    """A linter's setup.cfg and a project's name do not."""
    write({"setup.cfg": "[flake8]\n"})
    assert adopt.is_flat("[project]\n[tool.black]\n")
    assert not adopt.is_flat("[build-system]\n")
    write({"setup.cfg": "[metadata]\n"})
    assert not adopt.is_flat("")


def test_build_gets_folders_but_tests_and_what_git_ignores(folder):
    write(dict.fromkeys(["pages/a", "assets/a", "tests/a", "uploads/a"], ""))
    write({".gitignore": "uploads\n"})
    subprocess.run(["git", "init", "--quiet"], check=True)
    assert adopt.folders() == ["assets", "pages"]


def test_pyproject_without_a_backend_gets_one(folder):
    """A file without a last newline stays valid."""
    text = adopt.packaged("[tool.ruff]\nline-length = 88", ["lib"], Path("src/app.py"))
    table = adopt.tomllib.loads(text)
    wheel = table["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert table["project"] == {"name": "shop", "version": "1"}
    assert wheel["include"] == ["/lib", "/*.py"] and wheel["sources"] == ["src"]


def test_broken_file_is_named(folder):
    with pytest.raises(SystemExit, match=r"pyproject.toml: .*line 1"):
        adopt.tables("[x\n")
    write({"Pipfile.lock": "{"})
    with pytest.raises(SystemExit, match=r"Pipfile.lock: .*line 1"):
        adopt.keep_versions(Path("lock"))


def test_repository_that_git_refuses_is_told(folder):
    """Otherwise the files that git ignores would enter the image."""
    write({".git": "gitdir: nowhere", "app.py": FLASK})
    with pytest.raises(SystemExit, match="not a git repository: nowhere"):
        adopt.folders()


def test_app_of_a_later_run_takes_the_place_of_the_first():
    settings = (ROOT / "docker/gunicorn.conf.py").read_text()
    for app in ("shop:app", "shop:create_app('x')"):
        settings = adopt.put_in(settings, argparse.Namespace(app=app, data=None), [])
        assert f'\nwsgi_app = "{app}"\n' in settings


def test_data_folder_enters_the_owners_dockerfile_once():
    args = argparse.Namespace(app="a:b", data="/var/x/")
    edited = adopt.put_in((ROOT / "Dockerfile").read_text(), args, [])
    folder = "COPY --from=application /out/data /\nUSER 10001:10001\nWORKDIR /var/x\n"
    assert edited.count(folder) == 2 and edited.count("/out/data/var/x ") == 1
    assert adopt.put_in(edited, args, []) == edited


def test_files_that_the_wheel_lacks_are_counted_by_folder(folder):
    names = ["shop/a.py", "shop/static/a", "shop/static/b", "data/a/b", "src/x/a.py"]
    names += ["bin/dump", "license_key.py"]
    write(dict.fromkeys([*names, "config.py", "README.md", "tests/a.py"], ""))
    packed = ["shop/a.py", "x/a.py", "shop-1.data/scripts/dump"]
    assert adopt.left_out(packed) == [
        "config.py",
        "data/ (1)",
        "license_key.py",
        "shop/static/ (2)",
    ]


def test_files_of_the_wheel_that_git_ignores_are_named(folder):
    """But for hidden files, which the build deletes."""
    packed = ["shop/local.py", "shop/.keep", "shop/a.py"]
    write(dict.fromkeys(packed, "") | {".gitignore": "local.py\n.keep\n"})
    subprocess.run(["git", "init", "--quiet"], check=True)
    assert adopt.ignored(packed) == ["shop/local.py"]


def test_wheel_is_built_from_what_the_image_build_gets(folder, tmp_path):
    write(dict.fromkeys(["static/a", "app.py", "uploads/a", "docker/a", ".env"], ""))
    files = {".dockerignore": "*\n!static\n!*.py\n!docker\n", "pyproject.toml": ""}
    adopt.copy_context(tmp_path / "context", files)
    names = {path.name for path in (tmp_path / "context").iterdir()}
    assert names == {"static", "app.py", "requirements"}


def test_reason_is_the_last_error_of_a_log_and_its_line(folder):
    log = "ended; the log:\nTraceback\nKeyError: 'KEY'\n[ERROR] Worker exited"
    text = r"ended; the log: KeyError: 'KEY' \(\S+ADOPTING.md:\d+\)"
    assert re.fullmatch(text, reason(AssertionError(log)))


def test_lock_that_gunicorn_cannot_serve_is_refused():
    assert adopt.locked("flask==3\nfastapi==1\n") == {"flask", "fastapi"}
    for packages in ("fastapi==1\n", "quart==1\nflask==3\n"):
        with pytest.raises(SystemExit, match="gunicorn serves WSGI apps"):
            adopt.locked(packages)
    with pytest.raises(SystemExit, match="lack flask"):
        adopt.locked("gunicorn==27\n")


def test_package_to_upgrade_is_one_of_the_lock():
    lock = "flask==3\nflask-login==1\n"
    adopt.locked(lock, ["--upgrade", "--upgrade-package=Flask_Login==1"])
    with pytest.raises(SystemExit, match="the dependencies lack flaks"):
        adopt.locked(lock, ["--upgrade-package=flaks"])


def test_line_of_a_pipfile_becomes_a_requirement():
    assert adopt.pipfile_line("x", "*") == "x[]"
    package = {"version": ">1", "extras": ["a", "b"], "markers": "os_name == 'nt'"}
    assert adopt.pipfile_line("x", package) == "x[a,b]>1 ; os_name == 'nt'"
    with pytest.raises(SystemExit, match="Pipfile: x has git"):
        adopt.pipfile_line("x", {"git": "https://localhost/x"})


def test_versions_of_other_locks_win(folder):
    """They replace the earlier lock's, and what only that has stays."""
    write(
        {
            "requirements.txt": "itsdangerous==2.1 ; a\nwerkzeug>2\nclick==7\n",
            "poetry.lock": '[[package]]\nname = "click"\nversion = "8.1.7"\n',
            "Pipfile.lock": '{"default": {"jinja2": {"version": "==3.1.5"}}}',
            "lock": "click==8\nflask==3 ;\n",
        }
    )
    adopt.keep_versions(Path("lock"))
    lines = ["click==8.1.7", "flask==3", "itsdangerous==2.1", "jinja2==3.1.5"]
    assert Path("lock").read_text().splitlines() == lines


def test_last_error_is_one_line():
    printed = "Traceback:\nKeyError: 'a'\nValueError: b\n  c\nhint: d\n"
    assert adopt.last_error(printed) == "ValueError: b c"


def test_package_that_does_not_build_leads_to_old_pins(folder):
    """Whatever its own error is."""
    error = "echo 'Failed to build a'; echo \"ImportError: cannot import name 'b'\""
    with pytest.raises(SystemExit) as end:
        adopt.run(["sh", "-c", f"({error}) >&2; exit 1"], folder)
    assert str(end.value).endswith(adopt.pointer("Failed to build"))


@pytest.mark.parametrize(
    ("error", "title"),
    [
        ("KeyError: 'SECRET_KEY'", "Variables"),
        ("unable to open database file", "A data folder"),
        ("Read-only file system: 'log.txt'", "A data folder"),
        ("GET /a is 404: name paths", "A missing file"),
        ("Unable to determine which files to ship inside", "Files"),
        ("Permission denied: '/usr/local/var'", "A data folder"),
        ("Read-only file system: '/usr/local/lib/x'", "Files beside the code"),
        ("libpq.so.5: cannot open shared object file", "Debian's packages"),
        ("No module named 'pkg_resources'", "setuptools"),
        ("No module named 'config'", "A missing module"),
        ("module 'ast' has no attribute 'Str'", "Old packages"),
        ("Path doesn't exist: migrations", "Migrations"),
        ("cannot import name 'run' from 'profile'", "Names"),
        ("cannot import name 'url_quote' from 'werkzeug.urls'", "Old packages"),
    ],
)
def test_error_leads_to_the_line_that_has_its_text(error, title):
    number = int(re.search(r"ADOPTING.md:(\d+)\)", adopt.pointer(error))[1])
    page = (ROOT / "ADOPTING.md").read_text().splitlines()
    assert page[number - 1].startswith(f"- **{title}")


def test_texts_that_adopt_prints_are_in_the_page(folder):
    """A renamed text would print no line."""
    texts = {"Left out of the image", "No wheel", "Requires-Python", "Dockerfile"}
    assert texts < adopt.entries().keys()


# Six apps


FLAT = {
    "app.py": FLASK,
    "pages/home.py": "",
    "assets/a.css": "",
    "tests/test_a.py": "",
    "words.json": "{}",
    "Procfile": "web: gunicorn app:app\n",
    "Dockerfile": "FROM node:22\nRUN npm ci\nFROM python:3\nRUN pip install .\nCMD a",
    "requirements/base.txt": "flask\ncrcmod\n",
    "requirements/prod.txt": "-r base.txt\ngunicorn==20.1.0\n",
}


def test_flat_app(folder):
    """Its data goes in, gunicorn's pin is taken over, and what is left out is named."""
    write(FLAT)
    printed = put_in("app:app", "--data=/data")
    lines = [re.sub(r"\(\S+md:\d+", "(LINE", line) for line in printed.splitlines()]
    assert [line for line in lines if "docker/" not in line] == [
        "read requirements/prod.txt",
        "gunicorn>=27.0.1 takes the place of the app's older one",
        "wrote Dockerfile (yours is now Dockerfile.orig)",
        "wrote .dockerignore",
        "wrote pyproject.toml",
        "wrote requirements/build.txt",
        "wrote requirements/runtime.txt",
        "Procfile (LINE)",
        "Dockerfile: FROM node:22, RUN npm ci, CMD a (LINE)",
        "No wheel: crcmod (LINE)",
        "Left out of the image: words.json (LINE)",
        "docker build -t shop . && docker build --target bare -t shop:bare .",
        "docker run -p 8080:8080 --rm --volume=shop:/data shop  # http://localhost:8080",
        'make -C ../hello test-image IMAGE=shop OPTIONS="--volume=shop:/data"',
    ]
    assert Path("Dockerfile.orig").read_text() == FLAT["Dockerfile"]
    assert '\nwsgi_app = "app:app"\n' in Path("docker/gunicorn.conf.py").read_text()
    assert versions()["gunicorn"].startswith("27.")


def test_uv_project(folder):
    """Its uv.lock is exported and still fits; it is upgraded when that is asked for."""
    project = PROJECT.format(', "jinja2"') + 'requires-python = ">=3.11"\n'
    project += '[project.optional-dependencies]\nprod = ["redis"]\n'
    write({"pyproject.toml": project, "main.py": FLASK, "migrations/alembic.ini": ""})
    uv = [f"{ROOT}/.venv/bin/uv", "lock", "--quiet"]
    subprocess.run([*uv, "--upgrade-package=jinja2==3.1.5"], check=True)
    printed = put_in("main:app", "--extra=prod")
    folder = "--directory /usr/local/lib/python3.14/site-packages/migrations"
    assert f"shop flask --app 'main:app' db upgrade {folder}\n" in printed
    assert versions()["jinja2"] == "3.1.5" and "redis" in versions()
    subprocess.run([*uv, "--check"], check=True)
    put_in("main:app", "--upgrade-package=jinja2")
    assert versions()["jinja2"] != "3.1.5" and "redis" not in versions()
    subprocess.run([*uv, "--check"], check=True)
    edit(Path("pyproject.toml"), '"jinja2"', '"redis"')
    assert "`uv.lock` needs to be updated" in put_in("main:app", status=1)


def test_package_with_a_hook(folder):
    """The build lock has what the backend and its hook ask for."""
    hook = "from hatchling.builders.hooks.plugin.interface import BuildHookInterface\n"
    hook += "class Pages(BuildHookInterface):\n    page = open('index.md')\n"
    backend = '[build-system]\nrequires = ["hatchling"]\n'
    backend += 'build-backend = "hatchling.build"\n' + PROJECT.format("")
    backend += '[tool.hatch.build.hooks.custom]\ndependencies = ["markdown"]\n'
    files = {"pyproject.toml": backend, "hatch_build.py": hook, "index.md": ""}
    write(files | {"plaza/shop/__init__.py": FLASK})
    before = contents()
    error = put_in("plaza.shop:app", status=1)
    assert error.count("\n") == 1 and re.search(r"index.md' \(\S+md:\d+\)$", error)
    assert contents() == before
    put_in("--allow=index.md", "plaza.shop:app")
    assert {"build", "installer", "hatchling", "markdown"} < versions("build").keys()
    assert "\n*\n!index.md\n!plaza\n" in Path(".dockerignore").read_text()


SETUP = "from setuptools import setup\n"
SETUP += "setup(name='shop', packages=['shop'], install_requires=['flask'])\n"


def test_app_that_its_wheel_lacks_is_refused(folder):
    write({"setup.py": SETUP, "shop/__init__.py": "", "web.py": FLASK})
    error = put_in("web:app", status=1)
    assert error.startswith("Left out of the image: web.py, the app itself (")


def test_owners_edits_survive_every_run(folder):
    """A later run puts into them what it is asked for. --update takes them away."""
    write({"setup.py": SETUP, "shop/__init__.py": FLASK, "x": ""})
    put_in("shop:app")
    dockerfile = Path("Dockerfile").read_text().replace("USER", "ENV A=b\nUSER")
    Path("Dockerfile").write_text(dockerfile)
    Path("docker/collect.sh").unlink()
    first = contents()
    put_in("shop:app")
    assert contents() == first
    put_in("shop:app", "--data=/data", "--allow=x", "--compose")
    third = contents()
    edited = {name for name, text in first.items() if third[name] != text}
    assert edited == {"Dockerfile", ".dockerignore"}
    assert third["compose.yaml"].count('    volumes: ["data:/data"]\n') == 1
    user = "ENV A=b\nCOPY --from=application /out/data /\nUSER 10001:10001\n"
    assert user in third["Dockerfile"] and "\n!x\n" in third[".dockerignore"]
    assert os.access("deploy/rollout.sh", os.X_OK)

    commit(folder)
    assert "\ngit diff shows" in put_in("shop:app", "--update")
    assert contents()["Dockerfile"] == third["Dockerfile"].replace("ENV A=b\n", "")
    lines = third[".dockerignore"].splitlines()
    assert sorted(contents()[".dockerignore"].splitlines()) == sorted(lines)
    assert Path("docker/collect.sh").exists()


def test_pipfile(folder):
    """Versions of its lock stay until they are upgraded."""
    write(
        {
            "app.py": FLASK,
            "Pipfile": '[packages]\nflask = "*"\nclick = {version = "<9"}\n',
            "Pipfile.lock": '{"default": {"click": {"version": "==8.1.7"}}}',
        }
    )
    put_in("app:app")
    assert versions()["click"] == "8.1.7"
    put_in("app:app", "--upgrade")
    assert versions()["click"] != "8.1.7"


def test_list_from_windows_ends_before_the_build(folder):
    write({"app.py": FLASK, "requirements.txt": "flask\npywin32==311\n"})
    before = contents()
    error = put_in("app:app", status=1)
    assert "pywin32==311 has no wheels" in error and error.count("\n") == 1
    assert contents() == before
