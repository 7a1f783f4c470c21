"""Measure the images beside what they replace, and write the tables and the picture. README.md here has the method.

With --quick there is one round, and nothing is written.
"""

import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import engine
import picture
import tables

QUICK = "--quick" in sys.argv
HERE = Path(__file__).parent
ROOT = HERE.parent
READMES = {ROOT / "README.md": tables.SUMMARY, HERE / "README.md": tables.DETAILS}

# The images, each with the arguments of `docker build`: options, and last the context. A second app is more lines.
ONE_STAGE = "--file=benchmarks/one-stage.Dockerfile"
SLIM = [ONE_STAGE, "--build-arg=BASE=python:3.14-slim"]
GO = "--file=benchmarks/go.Dockerfile"
PYTHON = {
    "one stage": [ONE_STAGE, "."],
    "slim": [*SLIM, "."],
    "venv": ["--file=benchmarks/venv.Dockerfile", "."],
    "uv": ["--file=benchmarks/uv.Dockerfile", "."],
    "runtime": ["."],
    "bare": ["--target=bare", "."],
}
WEIGHED = PYTHON | {"Go, one stage": [GO, "--target=one-stage", "benchmarks/go"], "Go, scratch": [GO, "benchmarks/go"]}
STARTED = WEIGHED | {"slim, no bytecode": [*SLIM, "--build-arg=NO_BYTECODE=1", "."]}
# The second app, which compiles a dependency and has 1 MB of static files, is weighed alone.
GALLERY_ONE_STAGE = f"--file={HERE}/gallery.Dockerfile"
GALLERY = {
    "one stage": [GALLERY_ONE_STAGE, "--target=one-stage", "."],
    "slim": [GALLERY_ONE_STAGE, "--target=slim", "."],
    "runtime": ["."],
    "bare": ["--target=bare", "."],
}
# What takes long is measured of these alone.
REBUILT = ["one stage", "uv", "runtime"]
BUILT = {"code": [*PYTHON], "dependency": REBUILT, "cold": [*REBUILT, "bare"]}
SLOWED = ["slim, no bytecode", "uv", "runtime", "bare"]

# A code change is a new greeting. A dependency change is a comment in the lock file. As it changes no wheel, BuildKit
# would find `installed` and `bare` in its cache: two files that they read get the comment too.
CODE = ["hello_app/__init__.py", "benchmarks/go/server.go"]
DEPENDENCIES = ["requirements/runtime.txt", "docker/bytecode.py", "docker/gunicorn.conf.py"]


def tag(name):
    return f"hello-bench:{os.getpid()}-{re.sub('[^a-z]+', '-', name.lower())}"


def say(text):
    print(f"{time.monotonic() - BEGAN:4.0f} s  {text}", flush=True)


def rounds(what, number):
    """Say each round, and yield its number."""
    for done in range(1 if QUICK else number):
        say(f"{what}, round {done + 1} of {1 if QUICK else number}")
        yield done


def new():
    """Return a text that no build has seen, so that the cache has nothing for it."""
    return uuid.uuid4().hex


def write(source, comment, greeting="Hello world!"):
    """Change the copy of the project in the folder `source`: the comment of its dependencies, and the greeting."""
    for name in DEPENDENCIES:
        (source / name).write_text((ROOT / name).read_text() + f"# {comment}\n")
    for name in CODE:
        (source / name).write_text((ROOT / name).read_text().replace("Hello world!", greeting))


def sizes(source, store, comment):
    """Build and tag all images; return {name: what `tables.weigh` finds}."""
    found = {}
    for name, arguments in STARTED.items():
        say(f"build and weigh {name}")
        write(source, comment)
        engine.build(tag(name), arguments, source)
        if name in WEIGHED:
            before = engine.layers(arguments, source, store)
            write(source, comment, new())
            found[name] = tables.weigh(before, engine.layers(arguments, source, store))
    return found


def gallery(source, store):
    """Put the second app into the folder `source` as the README says; return {name: what `tables.weigh` finds}."""
    shutil.copytree(ROOT / "tests/gallery", source)
    for name in ("Dockerfile", ".dockerignore", "docker"):
        subprocess.run(["cp", "-r", ROOT / name, source], check=True)
    code, found = source / "src/gallery/factory.py", {}
    text = code.read_text()
    for name, arguments in GALLERY.items():
        say(f"build and weigh the second app: {name}")
        before = engine.layers(arguments, source, store)
        code.write_text(f"{text}# {new()}\n")
        found[name] = tables.weigh(before, engine.layers(arguments, source, store))
        code.write_text(text)
    return found


def builds(source, comment):
    """Return {kind: {name: seconds of each round}}; all images were built with `comment` before."""
    found = {kind: {name: [] for name in names} for kind, names in BUILT.items()}

    def timed(kind, name, *options):
        found[kind][name].append(engine.build(tag("changed"), [*options, *PYTHON[name]], source))
        engine.docker("image", "rm", tag("changed"))

    for _ in rounds("build", 7):
        for name in PYTHON:
            built = comment
            if name in BUILT["cold"]:
                timed("cold", name, "--no-cache")
            if name in BUILT["dependency"]:
                built = new()
                write(source, built)
                timed("dependency", name)
            write(source, built, new())
            timed("code", name)
    return found


def starts(names, *options):
    """Return {name: seconds from calling `docker run`, with these options, to the first right answer, each round}."""
    found = {name: [] for name in names}
    for _ in rounds(" ".join(["start", *options]), 7):
        for name in names:
            found[name].append(engine.start(tag(name), options))
    return found


def machine():
    """Return what the figures depend on, in a line."""
    info = json.loads(engine.docker("info", "--format={{json .}}"))
    inside = engine.docker("run", "--rm", tag("slim"), "sh", "-c", "python -V; cat /proc/cpuinfo")
    cpu = re.search(r"model name\s*: (.*)", inside)
    locks = "".join((ROOT / f"requirements/{name}.txt").read_text() for name in ("runtime", "bench"))
    versions = [f"{name} {number}" for name, number in re.findall(r"^(flask|gunicorn|uv)==(\S+)", locks, re.MULTILINE)]
    return (
        f"{datetime.date.today()}: {cpu[1] if cpu else info['Architecture']}, {info['NCPU']} cores,"
        f" {info['MemTotal'] / 2**30:.0f} GiB, Linux {info['KernelVersion']}, Docker {info['ServerVersion']},"
        f" {inside.splitlines()[0]}, {', '.join(versions)}."
    )


def measure():
    """Return the results: see results.json."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, store, comment = Path(folder, "source"), Path(folder, "store"), new()
            # Not the locks of the project's own tools: one stage would push their 40 kB of hashes with each change.
            ours = (".git", ".venv", "__pycache__", ".*_cache", "dev.txt", "tools.txt")
            shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*ours))
            results = {"size": sizes(source, store, comment), "gallery": gallery(Path(folder, "gallery"), store)}
            results |= {"machine": machine(), "build": builds(source, comment)}
        results["start"] = {"full": starts(STARTED), "slow": starts(SLOWED, "--cpus=0.2")}
        return results
    finally:
        engine.apart("image", "rm", *map(tag, [*STARTED, "changed"])).communicate()


def stated(readme, results):
    """Return the text of a README with what it states of the results; raise ValueError where a marker is missing."""
    return tables.fill(readme.read_text(), {part.__name__: part(results) for part in READMES[readme]})


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        engine.docker("version")
        # A missing marker shows now, and not after ten minutes.
        for readme, parts in READMES.items():
            tables.fill(readme.read_text(), {part.__name__: "" for part in parts})
        results = measure()
        if not QUICK:
            (HERE / "results.json").write_text(tables.dump(results))
            (HERE / "images.svg").write_text(picture.draw(results["size"]))
            for readme in READMES:
                readme.write_text(stated(readme, results))
    except FileNotFoundError as error:
        sys.exit(f"{error.filename}: not found")
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"status {error.returncode}"]
        said = [line for line in lines if line.startswith("ERROR")] or lines
        sys.exit(f"{' '.join(error.cmd[:3])}: {said[-1]}")
    except (TimeoutError, ValueError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
    print("\n\n".join(part(results) for parts in READMES.values() for part in parts))


if __name__ == "__main__":
    BEGAN = time.monotonic()
    main()
