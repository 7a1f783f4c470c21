"""Measure the steps from the usual Dockerfile to this one, and write the figures: README.md here has the method."""

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
import picture
import tables

ROUNDS = int(os.environ.get("ROUNDS", 7))
HERE = Path(__file__).parent
ROOT = HERE.parent
READMES = [ROOT / "README.md", HERE / "README.md"]
UV = "--file=benchmarks/uv.Dockerfile"
GO = "--file=benchmarks/go.Dockerfile"

# The images, each with the arguments of `docker build`: options, and last the context.
STEPS = {
    path.stem.replace("-", " "): [f"--file=benchmarks/steps/{path.name}", "."] for path in sorted(HERE.glob("steps/*"))
}
STEPS |= {"6 runtime": ["."], "7 bare": ["--target=bare", "."], "uv": [UV, "."]}
IMAGES = STEPS | {"Go, full": [GO, "--target=full", "benchmarks/go"], "Go, scratch": [GO, "benchmarks/go"]}
GALLERY = ["1 full", "2 slim", "3 venv", "6 runtime", "7 bare", "uv"]
SLOWED = ["2 slim", "6 runtime", "7 bare", "uv"]

# A code change is another text here. A dependency change is a comment in the lock file; as it changes no wheel,
# BuildKit would skip the rest, so two files that the stage on slim reads get the comment too.
CODE = ["hello_app/__init__.py", "benchmarks/go/server.go", "src/gallery/factory.py"]
TEXT = re.compile(r"(Hello world!|Return the app)\w*")
DEPENDENCIES = ["requirements/runtime.txt", "docker/bytecode.py", "docker/gunicorn.conf.py"]


def tag(name):
    return f"hello-bench:{os.getpid()}-{re.sub('[^a-z]+', '-', name.lower()).strip('-')}"


def say(text):
    print(f"{time.monotonic() - BEGAN:4.0f} s  {text}", flush=True)


def change_code(source, text=None):
    """Change the app's text, if to no other by one that no build has seen, so that the cache has nothing for it."""
    text = uuid.uuid4().hex if text is None else text
    for path in (source / name for name in CODE if (source / name).exists()):
        path.write_text(TEXT.sub(rf"\g<1>{text}", path.read_text()))


def change_dependencies(source):
    for path in (source / name for name in DEPENDENCIES):
        path.write_text(f"{path.read_text()}# {uuid.uuid4().hex}\n")


def gallery(folder):
    """Put the second app into the folder, with the Dockerfiles, and return it."""
    shutil.copytree(ROOT / "tests/gallery", folder)
    subprocess.run(["cp", "-r", "Dockerfile", ".dockerignore", "docker", "benchmarks", folder], cwd=ROOT, check=True)
    shutil.copy(ROOT / "requirements/bench.txt", folder / "requirements")
    for step in ("1-full", "2-slim"):
        with (folder / f"benchmarks/steps/{step}.Dockerfile").open("a") as file:
            # Their working directory is hello_app's parent, and a package in src/ has to be installed.
            file.write("RUN pip install --no-cache-dir --no-deps --build-constraint requirements/build.txt .\n")
    return folder


def measure(folder):
    """Return {kind: {image: bytes or the seconds of each round}}."""
    results = defaultdict(lambda: defaultdict(list))

    def weigh(name, source, prefix=""):
        say(f"weigh {prefix}{name}")
        before = engine.layers(IMAGES[name], source, folder / "store")
        change_code(source)
        after = engine.layers(IMAGES[name], source, folder / "store")
        change_code(source, "")
        for kind, count in tables.weigh(before, after).items():
            results[prefix + kind][name] = count

    def build(kind, name, *options):
        seconds = engine.build(tag("changed"), [*options, *IMAGES[name]], folder / name)
        results[kind][name].append(seconds)
        engine.docker("image", "rm", tag("changed"))

    # Not the locks of the project's own tools: one stage would push their 40 kB of hashes with each change.
    ours = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "dev.txt", "tools.txt")
    for name in IMAGES:
        shutil.copytree(ROOT, folder / name, ignore=ours)
        engine.build(tag(name), IMAGES[name], folder / name)
        weigh(name, folder / name)
    second = gallery(folder / "gallery")
    for name in GALLERY:
        weigh(name, second, "gallery-")
    for number in range(ROUNDS):
        say(f"build, round {number + 1} of {ROUNDS}")
        for name in STEPS:
            if number % 3 == 0:
                build("cold", name, "--no-cache")
                change_dependencies(folder / name)
                build("dependency", name)
            change_code(folder / name)
            build("code", name)
    for number in range(ROUNDS):
        say(f"start, round {number + 1} of {ROUNDS}")
        for name in IMAGES:
            results["start"][name].append(engine.start(tag(name)))
        for name in SLOWED:
            results["slow"][name].append(engine.start(tag(name), "--cpus=0.2"))
    results["machine"] = machine()
    return results


def machine():
    """Return what the figures depend on: {name: text}."""
    docker, cores = engine.docker("info", "--format={{.ServerVersion}} {{.NCPU}}").split()
    inside = engine.docker("run", "--rm", tag("2 slim"), "sh", "-c", "python -V; uname -m; cat /proc/cpuinfo")
    processor = re.search(r"model name\s*: (.*)|$", inside)[1] or inside.split()[2]
    locks = "".join((ROOT / f"requirements/{name}.txt").read_text() for name in ("runtime", "bench"))
    packages = dict(re.findall(r"^(flask|gunicorn|uv)==(\S+)", locks, re.MULTILINE))
    found = {"date": str(datetime.date.today()), "processor": f"{processor}, {cores} cores", "Docker": docker}
    return found | {"Python": inside.split()[1]} | packages


def main():
    try:
        with tempfile.TemporaryDirectory() as folder:
            results = measure(Path(folder))
    except (subprocess.CalledProcessError, TimeoutError) as error:
        sys.exit(f"{error}\n{getattr(error, 'stderr', '')}")
    finally:
        subprocess.run(["docker", "image", "rm", *map(tag, [*IMAGES, "changed"])], capture_output=True)
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (HERE / "images.svg").write_text(picture.draw(results["disk"]))
    for readme in READMES:
        readme.write_text(tables.fill(readme.read_text(), results))
    say("written: results.json, images.svg and the figures of both READMEs")


if __name__ == "__main__":
    BEGAN = time.monotonic()
    main()
