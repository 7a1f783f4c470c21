"""Add this pattern to the Flask app in the current folder.

python3 ../hello/adopt.py 'gallery.factory:create_app()'

Options that it does not know go to uv pip compile.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:
    raise SystemExit("adopt.py needs Python 3.11 or newer") from None

HELLO = Path(os.path.relpath(Path(__file__).parent))
GUNICORN = "gunicorn>=27.0.1"
SYSTEM_FOLDERS = "/bin /dev /etc /home /lib /opt /proc /root /run /sys /tmp /usr /var"
# Folders that the image does not need.
UNNEEDED = "build deploy dist docker docs env instance node_modules requirements tests"
UNNEEDED += " venv"
# Files whose absence from the image surprises nobody.
EXPECTED = r"(?i)(readme|licen[cs]e)(\.\w+)?|pyproject\.toml|setup\.(py|cfg)|pipfile"
EXPECTED += r"|manifest\.in|requirements.*\.(txt|in)|.*\.(lock|orig)|dockerfile.*"
EXPECTED += r"|(docker-)?compose.*\.ya?ml|(requirements|docker|deploy|tests?)/"
# A `RUN` of these is not needed any more.
OWN_STEPS = "pip3?|pipenv|poetry|uv|venv|apt|useradd|adduser|groupadd|addgroup"
OWN_STEPS += "|mkdir|chown|chmod"
# The first of these that an app has names its dependencies.
REQUIREMENTS = ("requirements.txt", "requirements/prod*.txt", "requirements.in")
PROJECT = """
[project]
name = "{}"
version = "1"
"""
HATCHLING = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
# adopt.py --allow NAME adds a name.
include = ["/*.py"]
exclude = ["tests", "test_*.py", "conftest.py"]
"""


def main():
    args, uv_options = parse_arguments()
    source = find_module(args.app)
    check(args, uv_options)
    toml = read("pyproject.toml")
    names = args.allow + ([] if is_adopted() else folders())
    files = pattern_files(args, names)
    files["pyproject.toml"] = packaged(toml, names, source)
    dockerfiles = files["Dockerfile"] + read(HELLO / "Dockerfile")
    python = re.search(r"(?m)^FROM \S*python:(3\.\d+)", dockerfiles)[1]

    with tempfile.TemporaryDirectory() as work:
        context = Path(work, "context")
        copy_context(context, files)
        packed, metadata, backend = build_wheel(context, source)
        uv_options += [f"--python-version={python}", *args.upgrades]
        files |= lock(context, args, uv_options, backend, metadata)
        packages = locked(files["requirements/runtime.txt"], args.upgrades)
        compiled = without_wheel(context, python)

    write(files)
    print_facts(packages, packed, metadata, compiled)
    if args.update:
        print("git diff shows what was replaced: keep your own lines")
    print_commands(args.app, files["Dockerfile"], packed, python)


def parse_arguments():
    """Return the known arguments, and the rest, which are options of uv."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("app", help="as for gunicorn: shop:app, or shop:create_app()")
    add("--data", help="a folder that the app writes to, such as /data")
    many = {"action": "append", "default": [], "metavar": "NAME"}
    add("--allow", help="a file or folder that the build also needs", **many)
    # These are kept as options of uv.
    for option, kept_in, what in (
        ("--extra", "chosen", "an optional dependency, such as prod"),
        ("--group", "chosen", "a dependency group"),
        ("--upgrade-package", "upgrades", "update this package alone"),
    ):
        add(option, dest=kept_in, type=f"{option}={{}}".format, help=what, **many)
    upgrade = {"action": "append_const", "const": "--upgrade", "dest": "upgrades"}
    add("--upgrade", help="update every package", **upgrade)
    add("--compose", action="store_true", help="add compose.yaml and deploy/")
    add("--update", action="store_true", help="write the newest pattern over yours")
    return parser.parse_known_args()


def find_module(app):
    """Return the file of the app's module, in this folder or in its src/."""
    parts = re.fullmatch(r"([\w.]+):(\w+)(\([^()]*\))?", app)
    if not parts:
        raise SystemExit("Name the app as MODULE:APP: shop:app, or shop:create_app()")
    module, name = parts[1], parts[2]
    path = module.replace(".", "/")
    for top in ("", "src/"):
        for source in (Path(f"{top}{path}/__init__.py"), Path(f"{top}{path}.py")):
            if re.search(rf"\b{name}\b|import \*", read(source)):
                return source
            if source.exists():
                raise SystemExit(f"{source} has no {name}")
    raise SystemExit(f"There is no module {module} in this folder or in its src/")


def check(args, uv_options):
    """End with one line where the arguments or this folder do not fit."""
    if not shutil.which("uv"):
        raise SystemExit("uv is missing: pipx install uv")
    check_data(args.data)
    for word in uv_options:
        if not word.startswith("-"):
            raise SystemExit(f"{word}: an option of uv pip compile is --name=value")
    for name in args.allow:
        if name not in os.listdir():
            raise SystemExit(f"--allow: there is no {name} in this folder")
    for name in (".", "docker", "deploy", "requirements"):
        if os.path.isfile(name):
            raise SystemExit(f"{name} is a file; the pattern needs this folder")
        if os.path.isdir(name) and not os.access(name, os.W_OK):
            raise SystemExit(f"The folder {name} is read-only")
    if args.update and git("status", "--porcelain", ".") != "":
        raise SystemExit("--update writes over your files: commit them to git first")


def check_data(folder):
    """End where a folder is none that the Dockerfile can make for the app alone."""
    if folder is None:
        return
    plain = re.fullmatch(r"(/(?!\.\.)[\w.-]+)+/?", folder)
    if not plain or folder.rstrip("/") in SYSTEM_FOLDERS.split():
        raise SystemExit("--data takes an absolute path of its own, such as /data")


def git(*arguments):
    """Return what git prints, or None where there is no repository."""
    here = Path.cwd()
    if any((folder / ".git").exists() for folder in (here, *here.parents)):
        if not shutil.which("git"):
            raise SystemExit("git is missing: it tells which files stay out")
        return run(["git", *arguments], here).stdout


def read(path):
    """Return the text of a file, which is empty where there is none."""
    path = Path(path)
    return path.read_text("utf-8-sig", errors="replace") if path.is_file() else ""


def is_adopted(name="docker/probe.py"):
    """Tell whether an earlier run has put the file here."""
    compose = name.startswith(("compose", "deploy"))
    return Path("deploy/rollout.sh" if compose else "docker/probe.py").exists()


def app_files():
    """Return the files that git does not ignore, or all; hidden ones are left out."""
    listing = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    paths = map(Path, listing.split("\0")) if listing else Path().rglob("*")
    hidden = re.compile(r"(.*/)?(\.(?!well-known|vite)|__pycache__)")
    return [p for p in paths if p.is_file() and not hidden.match(p.as_posix())]


def folders():
    """Return the folders that the build gets. pyproject.toml chooses among them."""
    names = {path.parts[0] for path in app_files() if len(path.parts) > 1}
    return sorted(names - {*UNNEEDED.split()})


def is_flat(toml):
    """Tell whether nothing says how to make a package of the app."""
    setup = Path("setup.py").exists() or "[metadata]" in read("setup.cfg")
    return not (setup or {"build-system", "setuptools"} & tables(toml))


def tables(toml):
    """Return the names of the tables in pyproject.toml, those of its tools included."""
    table = parse("pyproject.toml", toml)
    return {*table, *table.get("tool", {})}


def parse(name, text, loads=tomllib.loads):
    """Return the content of a file, or end with its error."""
    try:
        return loads(text)
    except ValueError as error:
        raise SystemExit(f"{name}: {error}") from None


def packaged(toml, names, source):
    """Return a pyproject.toml that packs the app, also where the app's own does not."""
    known = tables(toml)
    if is_flat(toml):
        toml += "\n" if "project" in known else PROJECT.format(image_name())
        toml += HATCHLING
        if source.parts[0] == "src" and not Path("src/__init__.py").exists():
            toml += 'sources = ["src"]\n'
        if "uv" not in known:  # uv.lock has the project as no package
            toml += "\n[tool.uv]\npackage = false\n"
    return add(toml, "adds a name.\ninclude = [", [f'"/{name}", ' for name in names])


def add(text, anchor, entries):
    """Return a text with each entry that it lacks behind the anchor, in order."""
    for entry in sorted(entries, reverse=True):
        if entry not in text:
            text = text.replace(anchor, anchor + entry)
    return text


def image_name():
    """Return a name for the image, made of the folder's."""
    name = re.sub(r"[^a-z0-9]+", "-", Path.cwd().name.lower())
    return name.strip("-") or "app"


def pattern_files(args, names):
    """Return {name: text}: the pattern's files for this app, or the owner's own."""
    patterns = ["Dockerfile", ".dockerignore", "docker/*"]
    if args.compose:
        patterns += ["compose.yaml", "deploy/*"]
    if args.update:
        names = names + re.findall(r"(?m)^!(\w[\w./-]*)$", read(".dockerignore"))
    if args.update or args.compose:
        args.data = args.data or data_folder(read("Dockerfile"))
    files = {}
    for source in (path for pattern in patterns for path in HELLO.glob(pattern)):
        name = source.relative_to(HELLO).as_posix()
        own = is_adopted(name) and not args.update
        # A file that the owner has deleted stays away.
        if Path(name).exists() or not own:
            files[name] = put_in(read(name if own else source), args, names)
    for name in {"Dockerfile", ".dockerignore"} - files.keys():
        raise SystemExit(f"{name} is missing: restore it, or add --update")
    return files


def put_in(text, args, names):
    """Return a file of the pattern with the app's name and folders in it."""
    app = f"wsgi_app = {json.dumps(args.app)}"
    text = re.sub(r'(?m)^wsgi_app = ".*"$', lambda line: app, text)
    text = text.replace("!hello_app\n", "")
    text = add(text, "\n*\n", [f"!{name}\n" for name in names])
    folder = (args.data or "").rstrip("/")
    if folder and "\nUSER " in text:
        text = put_in_data(text, folder)
    if folder and "\nservices:" in text:
        text = put_in_volume(text, folder)
    return text


def data_folder(dockerfile):
    """Return the folder that --data put into a Dockerfile, or an empty text."""
    return "".join(re.findall(r"USER .*\nWORKDIR (.*)", dockerfile)[:1])


def put_in_data(dockerfile, folder):
    """Return a Dockerfile that makes a folder of the app's user, and starts in it.

    COPY brings it, because WORKDIR would give it the date of the build.
    """
    make = "    && install --directory --owner=10001 --group=10001 /out/data"
    text = re.sub(rf"(?m)^{make}.*\n", "", dockerfile)
    dates = re.search(r"(?m)^    && sh /docker/split.sh$", text)
    if not dates:
        raise SystemExit("Your Dockerfile is older than --data: add --update")
    start = dates.start()
    text = f"{text[:start]}{make}{folder} \\\n{text[start:]}"
    copy = "COPY --from=application /out/data /\n"
    text = re.sub(rf"(?m)^{copy}(USER .*\n)WORKDIR .*\n", r"\g<1>", text)
    return re.sub(r"(?m)^USER .*\n", rf"{copy}\g<0>WORKDIR {folder}\n", text)


def put_in_volume(compose, folder):
    """Return a compose.yaml whose app keeps the folder in a volume."""
    if "\nvolumes:" in compose:
        return compose
    volume = f'    volumes: ["data:{folder}"]\n'
    text = re.sub(r'(?m)^    tmpfs: \["/tmp:.*\n', rf"\g<0>{volume}", compose)
    return f"{text}\nvolumes: {{data: }}\n"


def copy_context(folder, files):
    """Copy what .dockerignore admits to a folder, and what names the dependencies."""
    admitted = re.findall(r"(?m)^!(?!\*\*|docker$)(.+)", files[".dockerignore"])
    patterns = [*admitted, *REQUIREMENTS, "uv.lock"]
    tops = {path.parts[0] for pattern in patterns for path in Path().glob(pattern)}
    never = shutil.ignore_patterns("__pycache__", "*.egg-info")

    def ignore(at, names):
        return {*names} - tops if at == "." else never(at, names)

    shutil.copytree(".", folder, symlinks=True, ignore=ignore)
    if toml := files["pyproject.toml"]:
        (folder / "pyproject.toml").write_text(toml, encoding="utf-8")
    (folder / "requirements").mkdir(exist_ok=True)


def build_wheel(context, source):
    """Return the wheel's names, its metadata, and what its backend asked for.

    End where the wheel lacks the file of the app's module.
    """
    frontend = HELLO.resolve() / "requirements/build.txt"
    command = ["uv", "run", "--no-project", f"--with-requirements={frontend}"]
    command += ["python", "-m", "build", "--wheel", "--installer=uv"]
    printed = run([*command, "--outdir=../wheel"], context).stderr
    requirements = re.findall(r"isolated environment:\n((?:  - .*\n)+)", printed)
    backend = re.sub(" +- ", "", "".join(requirements))
    wheel = next(context.glob("../wheel/*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith("-info/METADATA"))
        metadata = archive.read(metadata).decode()
    if source.as_posix().removeprefix("src/") not in names:
        error = f"Left out of the image: {source}, the app itself"
        raise SystemExit(error + pointer(error))
    return names, metadata, backend


def lock(context, args, uv_options, backend, metadata):
    """Return the two lock files. Versions that a lock has stay, where they can."""
    again = " ".join([f"python3 {HELLO}/adopt.py '{args.app}'", *args.chosen])
    command = ["uv", "pip", "compile", "--universal", "--generate-hashes", "-"]
    command += [f"--custom-compile-command={again}", *uv_options]
    build, runtime = "requirements/build.txt", "requirements/runtime.txt"
    names = f"build\ninstaller\n{backend}"
    run([*command, f"--output-file={build}"], context, names)
    keep_versions(context / runtime)
    sources, names = dependencies(context, args, metadata)
    command += [f"--output-file={runtime}", *sources]
    compile_with_gunicorn(command, context, names)
    return {name: read(context / name) for name in (build, runtime, "uv.lock")}


def compile_with_gunicorn(command, context, names):
    """Write the lock file, with a new gunicorn whatever the app asks for."""
    names += f"\n{GUNICORN}"
    try:
        run(command, context, names)
    except SystemExit as error:
        if "gunicorn" not in str(error):
            raise
        (context / "override").write_text(GUNICORN)
        run([*command, "--override=override"], context, names)
        print(f"{GUNICORN} takes the place of the app's older one")


def keep_versions(path):
    """Write the versions of the app's other locks into the lock file that uv reads."""
    versions = pins(path)
    for pattern in REQUIREMENTS:
        for requirements in Path().glob(pattern):
            versions |= pins(requirements)
    pipfile_lock = parse("Pipfile.lock", read("Pipfile.lock") or "{}", json.loads)
    packages = pipfile_lock.get("default", {})
    for name, package in packages.items():
        versions[name] = package.get("version", "")
    for package in parse("poetry.lock", read("poetry.lock")).get("package", []):
        versions[package["name"]] = f"=={package['version']}"
    path.write_text("\n".join(name + versions[name] for name in versions))


def pins(path):
    """Return {package: "==version"} of a file of requirements."""
    return dict(re.findall(r"(?m)^([\w.-]+)(==[^\s;]+)", read(path)))


def dependencies(context, args, metadata):
    """Return what names the dependencies: arguments of uv, and requirements."""
    if Path("uv.lock").exists():
        export = ["uv", "export", "--no-dev", "--no-emit-project", *args.chosen]
        export += args.upgrades or ["--locked"]
        export += [f"--output-file={context}/exported"]
        # The lock has to fit the app's own pyproject.toml. Only an upgrade changes it.
        run(export, context if args.upgrades else Path())
        return ["exported"], ""
    if re.search(r"(?m)^Requires-Dist: (?!.*extra ==)", metadata):
        project = "pyproject.toml" if read("pyproject.toml") else "setup.py"
        return [project, *args.chosen], ""
    if packages := parse("Pipfile", read("Pipfile")).get("packages"):
        print("read Pipfile")
        lines = [pipfile_line(*item) for item in packages.items()]
        return args.chosen, "\n".join(lines)
    for pattern in REQUIREMENTS:
        for path in sorted(Path().glob(pattern), key=lambda path: len(path.name)):
            print(f"read {path}")
            return [str(path), *args.chosen], ""
    raise SystemExit(
        "No file names the dependencies. This reads pyproject.toml, setup.py, "
        "Pipfile, requirements.txt, requirements/prod.txt and requirements.in, but "
        "nothing of conda or pixi."
    )


def pipfile_line(name, value):
    """Return a line of a Pipfile as a requirement."""
    package = value if isinstance(value, dict) else {"version": value}
    for key in package.keys() - {"version", "extras", "markers"}:
        raise SystemExit(f"Pipfile: {name} has {key}: write version, extras, markers")
    version = package.get("version", "").removeprefix("*")
    extras, markers = package.get("extras", []), package.get("markers", "")
    return f"{name}[{','.join(extras)}]{version} ; {markers}".removesuffix(" ; ")


def locked(text, upgrades=()):
    """Return the packages of a lock file.

    End where gunicorn cannot serve them, or where they lack one to upgrade.
    """
    packages = {*re.findall(r"(?m)^([\w.-]+)==", text)}
    for name in re.findall(r"--upgrade-package=([\w.-]+)", " ".join(upgrades)):
        if re.sub("[_.-]+", "-", name).lower() not in packages:
            raise SystemExit(f"--upgrade-package: the dependencies lack {name}")
    if "quart" in packages or {"fastapi", "flask"} & packages == {"fastapi"}:
        raise SystemExit("fastapi and quart are ASGI: gunicorn serves WSGI apps")
    if "flask" not in packages:
        raise SystemExit("The dependencies lack flask: add it, and run this again")
    return packages


def without_wheel(context, python):
    """Return the locked packages that the image's build has to compile.

    It ends where a package has neither a wheel nor a source.
    """
    command = ["uv", "pip", "install", "--dry-run", "--no-deps", "--target=none"]
    command += [f"--python-version={python}", "--python-platform=linux", "--verbose"]
    command.append("--requirement=requirements/runtime.txt")
    printed = run(command, context).stderr
    # uv names the file of each package that it would install.
    return sorted({*re.findall(r"Selecting: ([\w.-]+)==.*(?<!\.whl)\)", printed)})


def run(command, folder, text=None):
    """Run a command to its end; where it fails, end with its error in one line."""
    environment = os.environ | {"NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(
        command, input=text, cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        error = last_error(done.stderr.replace(f"{folder}/", ""))
        # The reason why a package fails says less than that an old one does.
        text = re.search("Failed to build|$", done.stderr)[0] or error
        raise SystemExit(error + pointer(text))
    return done


def last_error(printed):
    """Return the last error that a command printed, in one line."""
    printed = re.split(r"\n(?:hint: |TIP )", printed)[0]
    start = r"\n(?=[\w.]*(?:Error|Exception|error): |ERROR Source|\* )"
    return " ".join(re.split(start, f"\n{printed}")[-1].split())


def entries():
    """Return {text: where} for each text in backquotes in ADOPTING.md's bold titles."""
    lines = {}
    for number, line in enumerate(read(HELLO / "ADOPTING.md").splitlines(), 1):
        for title in re.findall(r"^- \*\*(.+?)\*\*", line):
            for text in re.findall("`(.+?)`", title):
                lines[text] = f"{HELLO / 'ADOPTING.md'}:{number}"
    return lines


def pointer(error):
    """Return, in parentheses, the line of ADOPTING.md that has a text of an error."""
    lines = entries()
    whole = r"(?<![\w-]){}(?![\w-])"
    texts = [text for text in lines if re.search(whole.format(re.escape(text)), error)]
    return f" ({lines[max(texts, key=len)]})" if texts else ""


def write(files):
    """Write what has changed. The first time, an app's own file is kept as .orig."""
    changed = [name for name in files if files[name] != read(name)]
    own = {name for name in changed if Path(name).exists() and not is_adopted(name)}
    own -= {"uv.lock"}
    for name in own:
        if Path(f"{name}.orig").exists():
            raise SystemExit(f"{name}.orig would be lost: rename it first")
    for name in changed:
        line = f"wrote {name}"
        if name in own:
            Path(name).rename(f"{name}.orig")
            line += f" (yours is now {name}.orig)"
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(files[name], encoding="utf-8", newline="\n")
        if (HELLO / name).exists():
            shutil.copymode(HELLO / name, name)
        print(line)


def set_by(dockerfile):
    """Return what another Dockerfile sets and installs."""
    lines = r"(?m)^(?:ENV|VOLUME|EXPOSE|ENTRYPOINT|CMD|FROM (?!\S*python)\S+:) ?.*"
    lines += rf"|^RUN (?!.*\b(?:{OWN_STEPS})\b).*"
    lines += r"|apt\S* .*?install [^&;\n]*"
    return re.findall(lines, re.sub(r" *\\\n *", " ", dockerfile))


def sources(packed):
    """Return where the files of a wheel may lie in this folder."""
    return {*packed, *(f"src/{name}" for name in packed)}


def left_out(packed):
    """Return the folders and files that the wheel lacks, with the number of files."""
    files = {*app_files()}
    names = sources(packed)
    scripts = {Path(name).name for name in packed if ".data/scripts/" in name}
    inside = {p for p in files if p.as_posix() in names or p.name in scripts}
    kept = {Path()}.union(*(path.parents for path in inside))
    counts = Counter()
    for path in sorted(files - inside):
        absent = [folder for folder in path.parents if folder not in kept]
        counts[f"{absent[-1]}/" if absent else str(path)] += 1
    # A file that ADOPTING.md names has a line of its own.
    named = entries()
    names = [n for n in counts if n not in named and not re.fullmatch(EXPECTED, n)]
    return [f"{name} ({counts[name]})" if name[-1] == "/" else name for name in names]


def ignored(packed):
    """Return the files of the wheel that git ignores, such as local settings."""
    listing = git("ls-files", "-z", "--others", "--ignored", "--exclude-standard") or ""
    names = sources(packed)
    # The build deletes hidden files.
    return sorted(n for n in names & {*listing.split("\0")} if "/." not in n)


def print_facts(packages, packed, metadata, compiled):
    """Print what ADOPTING.md has a line about: packages, files, and other facts."""
    names = packages | {*os.listdir()} - {"Dockerfile"}
    by_line = {}
    for text, line in entries().items():
        if text in names:
            by_line.setdefault(line, []).append(text)
    for line, texts in by_line.items():
        print(f"{', '.join(texts)} ({line})")
    facts = {
        "Dockerfile": set_by(read("Dockerfile.orig")),
        "Requires-Python": re.findall(r"Requires-Python: .*(< *3\.\d.*)", metadata),
        "No wheel": compiled,
        "Left out of the image": left_out(packed),
        "In the image, though git ignores it": ignored(packed),
    }
    for text in filter(facts.get, facts):
        print(f"{text}: {', '.join(facts[text])}{pointer(text)}")


def print_commands(app, dockerfile, packed, python):
    """Print how to build, migrate, run and test the image."""
    image, options = image_name(), "--rm"
    if folder := data_folder(dockerfile):
        options += f" --volume={image}:{folder}"
    print(f"docker build -t {image} . && docker build --target bare -t {image}:bare .")
    for name in packed:
        if name.endswith("migrations/alembic.ini"):
            folder = f"/usr/local/lib/python{python}/site-packages/{Path(name).parent}"
            flask = f"flask --app '{app}' db upgrade --directory {folder}"
            print(f"docker run {options} {image} {flask}")
    print(f"docker run -p 8080:8080 {options} {image}  # http://localhost:8080")
    print(f'make -C {HELLO} test-image IMAGE={image} OPTIONS="{options[5:]}"')


if __name__ == "__main__":
    main()
