"""Put the app in the current folder into this pattern: python3 ../hello/adopt.py 'gallery.factory:create_app()'"""

import argparse
import difflib
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

HELLO = Path(os.path.relpath(Path(__file__).parent))


def read(name):
    """Return the text of a file, which is empty where there is none."""
    return Path(name).read_text(encoding="utf-8", errors="replace") if Path(name).is_file() else ""


def run(*command, text=None):
    """Return what a command prints in the copy of the app; where it fails, end with its last error in one line."""
    environment = os.environ | {"NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(command, input=text, cwd=copy, env=environment, capture_output=True, text=True)
    if done.returncode:
        error = done.stderr.replace(f"{copy}/", "").partition("\nhint: ")[0].partition("\nTIP ")[0]
        error = " ".join(re.split(r"\n(?=[\w.]*(?:Error|Exception|error): | *\u00d7 )", f"\n{error}")[-1].split())
        error += " Write gunicorn>=27.0.1 in place of the older one, and lock again." * ("gunicorn>=27" in error)
        error += " (--allow names what else the build reads)" * bool(re.search("No such file|PEP 440", error))
        raise SystemExit(error)
    return done.stdout + done.stderr


parser = argparse.ArgumentParser(description=__doc__, epilog="Other options go to uv pip compile.")
parser.add_argument("app", help="MODULE:APP")
parser.add_argument("--data", help="a folder that the app writes to, such as /data")
parser.add_argument("--allow", action="append", default=[], help="a file or folder that the build reads")
parser.add_argument("--compose", action="store_true", help="several replicas: compose.yaml and deploy/ too")
parser.add_argument("--upgrade-package", action="append", default=[], help="a package to lock anew")
args, options = parser.parse_known_args()
module, toml, setup = args.app.partition(":")[0], read("pyproject.toml"), read("setup.py") + read("setup.cfg")
paths = [Path(top, module.replace(".", "/") + end) for top in ("", "src") for end in (".py", "/__init__.py")]
wrong = {
    "uv is missing: pip install uv": not shutil.which("uv"),
    f"There is no module {module} in this folder or in its src/": not any(map(Path.is_file, paths)),
    "--data takes an absolute path, such as /data": args.data and args.data[0] != "/",
    "--allow takes what lies in this folder": {*args.allow} - {*os.listdir()},
    "docker, deploy, requirements have to be folders": {*filter(os.path.isfile, ("docker", "deploy", "requirements"))},
}
for message in filter(wrong.get, wrong):
    raise SystemExit(message)

# What the app's code imports and names. The list of its modules grows while it is read.
tops, code, named = [module.partition(".")[0]], "", set()
here = [*Path("src").glob("*"), *Path().glob("*")]
local = {p.stem: p for p in here if p.suffix == ".py" or p.name == tops[0] or [*p.glob("*.py")]}
for top in tops:
    code += "\n".join(read(path) for path in [local[top], *local[top].rglob("*.py")])
    named = set(re.findall(r"(?:^[ \t]*(?:from|import) +|[\"'])(\w[\w./-]*)", code, re.MULTILINE))
    tops += sorted({name.partition(".")[0] for name in named} & {*local} - {*tops})

# The pattern. An app that has it already keeps each file, and sees what the pattern has otherwise.
image, adopting = re.sub(r"[^a-z0-9]+", "-", Path.cwd().name.lower()).strip("-") or "app", read(HELLO / "ADOPTING.md")
entries = [name for name in [*tops, *args.allow] if Path(name).exists() and name not in ("docker", "migrations")]
again, new = Path("docker/bytecode.py").exists(), {}
if again and not args.data:
    args.data = "".join(re.findall(r"USER .*\nWORKDIR (.*)", read("Dockerfile"))[:1])
for pattern in ["Dockerfile", ".dockerignore", "docker/*", "compose.yaml", "deploy/*"][: 5 if args.compose else 3]:
    for source in filter(Path.is_file, HELLO.glob(pattern)):
        name, text = source.relative_to(HELLO).as_posix(), read(source)
        text = text.replace('"hello_app:create_app()"', json.dumps(args.app))
        text = text.replace("!hello_app\n", "".join(f"!{entry}\n" for entry in entries))
        if args.data:  # the folder above it is made before USER, so it stays root's
            text = re.sub("(?m)^USER .*\n", rf"WORKDIR {Path(args.data).parent}\n\g<0>WORKDIR {args.data}\n", text)
        kept = new[name] = (again and read(name)) or text
        diff = "\n".join(difflib.unified_diff(kept.splitlines(), text.splitlines(), name, "pattern", lineterm=""))
        print(diff and f"{diff}\n(kept: this command with | patch -p0 behind it takes these lines over)\n", end="")
if not setup and not re.search(r"(?m)^\[(project|build-system)\]", toml):
    block = re.search(r"```toml\n(.*?)```", adopting, re.DOTALL)[1].replace("my-app", image)
    toml = new["pyproject.toml"] = toml + block.replace("*.py", '", "/'.join(["*.py", *entries]))

# The wheel of what enters the image's build, by the frontend that hello has locked, which names what it installs.
work = tempfile.TemporaryDirectory()
copy = Path(work.name, "copy")
allowed = {path.parts[0] for line in re.findall("(?m)^!(.+)", new[".dockerignore"]) for path in Path().glob(line)}
shutil.copytree(".", copy, symlinks=True, ignore=lambda at, all: {*all} - allowed | {"docker"} if at == "." else {})
for path in copy.glob("src/*.egg-info"):
    shutil.rmtree(path)
(copy / "pyproject.toml").write_text(toml, encoding="utf-8")
files = [path.relative_to(copy).as_posix().removeprefix("src/") for path in copy.rglob("*.*")]
frontend = ["uv", "run", "--no-project", f"--with-requirements={HELLO.resolve()}/requirements/build.txt", "python"]
said = run(*frontend, "-m", "build", "--wheel", "--installer=uv", f"--outdir={work.name}")
asked = re.sub(" +- ", "", "".join(re.findall(r"isolated environment:\n((?:  - .*\n)+)", said)))
shutil.unpack_archive(*Path(work.name).glob("*.whl"), Path(work.name, "wheel"), "zip")
# The locks. What another lock or an earlier one has pinned stays.
python = re.search(r"(?m)^FROM python:3\.(\d+)", new["Dockerfile"])[1]
pins = dict(re.findall(r'(?m)^name = "(.+)"\nversion = "(.+)"', read("uv.lock") + read("poetry.lock")))
(copy / "pins").write_text("\n".join(map("==".join, pins.items())))
declared = setup or re.search(r"(?m)^(dependencies|dynamic) *=|^\[tool.poetry", toml)
sources = ["pyproject.toml" if toml else "setup.py", *([] if declared else ["requirements.txt"]), "--constraint=pins"]
options += [f"--upgrade-package={name}" for name in args.upgrade_package]
options += [f"--python-version=3.{python}", f"--custom-compile-command=python3 {HELLO}/adopt.py '{args.app}'"]
for name, text, *more in [("build", f"build\ninstaller\n{asked}"), ("runtime", "gunicorn>=27.0.1", *sources)]:
    command = ["uv", "pip", "compile", "--universal", "--generate-hashes", f"--output-file=requirements/{name}.txt"]
    run(*command, *options, *more, "-", text=text)
    new[f"requirements/{name}.txt"] = read(copy / f"requirements/{name}.txt")

for name in [name for name in new if new[name] != read(name)]:  # written only now, when all is known
    if not again and os.path.lexists(name):
        Path(name).rename(f"{name}.orig")
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(new[name], encoding="utf-8", newline="\n")
    shutil.copymode(HELLO / name, name)
    print("wrote", name)

# What it finds and cannot decide, by the line of ADOPTING.md that answers.
seen = {*re.findall(r"[\w+-]+", code + new["requirements/runtime.txt"]), *os.listdir()}
seen -= {"psycopg"} if seen & {"psycopg-binary", "psycopg-c"} else set()
needed = rf"({'|'.join(tops)})/.*\.py$|(?!setup|hatch_|conftest|test)[^/]+\.py$|(.*/)?(templates|static|migrations)/"
limits = re.findall(r"(?m)^\s*(.*python\S* *= *[\"'].*?(<=?|==) *3\.(\d+).*)", toml + setup)
found = {title: seen & {*re.findall("`(.+?)`", title)} for title in re.findall(r"(?m)^- \*\*(.+?)\*\*", adopting)}
found["What the wheel lacks"] = {n for n in files if re.match(needed, n) and not Path(work.name, "wheel", n).exists()}
found["Files by a relative path"] = {name for name in named if os.path.isfile(name)}
found["Another Python"] = {line for line, sign, minor in limits if int(minor) + ("=" in sign) <= int(python)}
old = re.sub(r"\\\s+|(?<= )-\S+ ", "", read("Dockerfile.orig"))
found["Debian's packages"] = re.findall(r"apt\S* .*?install ([^&;\n]*)", old)
found["What another Dockerfile set"] = re.findall("(?m)^(?:ENV|VOLUME|EXPOSE) .*", old)
found["Pins in requirements.txt"] = {"requirements.txt"} if declared and read("requirements.txt") else {}
for title in filter(found.get, found):
    line = adopting[: adopting.index(f"**{title}**")].count("\n") + 1
    print(f"? {title.partition(':')[0]}: {', '.join(sorted(found[title])[:9])} ({HELLO}/ADOPTING.md:{line})")
needs = [f"--env={name}=x" for name in sorted({*re.findall(r"environ\[.(\w+)", code)})]
needs += [f"--volume={image}:{folder}" for folder in re.findall(r"USER .*\nWORKDIR (.*)", new["Dockerfile"])[:1]]
print(f"docker build -t {image} . && docker build --target bare -t {image}:bare .")
if "flask-migrate" in seen:
    print(f"docker run --rm {' '.join(needs)} {image} flask --app '{args.app}' db upgrade")
print(f'make -C {HELLO} test-image IMAGE={image} PATHS=/ OPTIONS="{" ".join(needs)}"')
