"""Measure this image beside what people would use instead, and write what README states of it.

Everything is interleaved: a round runs each thing once, so that what else the machine does falls on all alike.
Writes results.json and images.svg beside this file, and README.md between its markers. With --quick it measures
each thing once, in about five minutes, and writes nothing.
"""

import datetime
import hashlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import engine
import picture
import tables
from hold import hold
from hostile import KINDS
from layers import compressed, layers
from memory import memory
from serve import serve
from ship import ship
from start import floor, start

QUICK = "--quick" in sys.argv
FOLDER = Path(__file__).parent
BASE = "python:3.14-slim"
ONE_STAGE = "--file=benchmarks/one-stage.Dockerfile"
SLIM = f"--build-arg=BASE={BASE}"
VENV = "--file=benchmarks/venv.Dockerfile"
GO = "--file=benchmarks/go.Dockerfile"

# The images, and the options of `docker build` that make them.
BUILDS = {
    "this image": [],
    "this image, from scratch": ["--target=bare"],
    "virtual environment, copied": [VENV],
    "one stage, slim": [ONE_STAGE, SLIM],
    "one stage, slim, no bytecode": [ONE_STAGE, SLIM, "--build-arg=NO_BYTECODE=1"],
    "one stage": [ONE_STAGE],
    "Go, one stage": [GO, "--target=one-stage"],
    "Go, from scratch": [GO],
}
SHIPPED = ["this image", "virtual environment, copied", "one stage", "Go, from scratch"]
# What takes long, and is therefore measured of these alone.
REBUILT = ["this image", "one stage"]
SLOWED = ["this image", "one stage, slim, no bytecode", "Go, from scratch"]

# What serves the app beside this image, all in one: two processes and an access log, where it can have them.
SERVERS = "hello-bench:servers"
BIND = "--bind=0.0.0.0:8080"
APP = "hello_app:create_app()"
COMMANDS = {
    "gunicorn, its defaults": f"gunicorn {BIND} {APP}",
    "gunicorn, gevent": f"gunicorn {BIND} --workers=2 --worker-class=gevent --access-logfile=- {APP}",
    "waitress": "waitress-serve --listen=0.0.0.0:8080 --call hello_app:create_app",
    "uWSGI": f"uwsgi --http=0.0.0.0:8080 --http-keepalive --master --processes=2 --module={APP}",
    "granian": "granian --host=0.0.0.0 --port=8080 --interface=wsgi --workers=2 --access-log"
    " --factory hello_app:create_app",
    "Flask's own": "flask --app=hello_app run --host=0.0.0.0 --port=8080",
}

OURS = "python -m hello_app.server"
# The same workers, but with nothing of them or of the app imported before they are forked.
UNSHARED = """
import importlib.util, os, sys
from gunicorn.app.wsgiapp import run
sys.path.append(os.path.join(*importlib.util.find_spec("hello_app").submodule_search_locations))
sys.argv[1:] = "--bind=0.0.0.0:8080 --workers=2 --threads=8 --reuse-port --worker-class=worker.Worker".split()
sys.argv += "--worker-tmp-dir=/dev/shm --no-control-socket --access-logfile=- hello_app:create_app()".split()
run()
"""


def tag(name):
    return "hello-bench:" + re.sub("[^a-z]+", "-", name.lower())


def say(text):
    print(f"{time.monotonic() - BEGAN:4.0f} s  {text}", flush=True)


def rounds(what, number):
    """Yield the number of each round, from 0, and say which it is."""
    for done in range(1 if QUICK else number):
        say(f"{what}, round {done + 1} of {1 if QUICK else number}")
        yield done


def size(image, weighed):
    """Return the bytes of an image's layers, unpacked and compressed; `weighed` remembers those that images share."""
    found = layers(image)
    keys = [hashlib.sha256(layer).digest() for layer in found]
    for key, layer in zip(keys, found, strict=True):
        if key not in weighed:
            weighed[key] = compressed(layer)
    return {"disk": sum(map(len, found)), "compressed": sum(weighed[key] for key in keys)}


def build(images):
    """Build all images, and return the sizes of those to compare."""
    weighed = {}

    def make(name):
        engine.build(images[name], *BUILDS[name])
        say(f"built: {name}")
        return size(images[name], weighed)

    with engine.threads(os.cpu_count()) as pool:
        # The largest first, so that none is left to one core at the end.
        made = {name: pool.submit(make, name) for name in reversed(images)}
        rest = [
            pool.submit(engine.build, SERVERS, "--file=benchmarks/servers.Dockerfile"),
            pool.submit(engine.build_client),
        ]
        for future in rest:
            future.result()
        return {name: made[name].result() for name in images} | {BASE: size(BASE, weighed)}


def measure():
    """Build everything, measure it, and return the results: see results.json."""
    say("building the images, and weighing them")
    images = {name: tag(name) for name in BUILDS}
    results = {"size": build(images), "machine": machine(), "versions": versions()}

    results["start"] = {}
    for speed, names, options in (("full", list(images), []), ("slow", SLOWED, ["--cpus=0.2"])):
        starts = results["start"][speed] = {name: [] for name in [*names, "nothing"]}
        for _ in rounds("start" if speed == "full" else "start with --cpus 0.2", 7):
            for name in names:
                starts[name].append(start(images[name], *options))
            starts["nothing"].append(floor(images["this image"], *options))

    results["ship"] = {name: {"seconds": []} for name in SHIPPED}
    builds = {name: BUILDS[name] for name in SHIPPED}
    for name, seconds, sent in ship(builds, dict.fromkeys(SHIPPED, 1) | dict.fromkeys(REBUILT, 1 if QUICK else 7)):
        say(f"ship, {name}: rebuilt in {seconds:.1f} s")
        results["ship"][name]["bytes"] = sent
        if name in REBUILT:
            results["ship"][name]["seconds"].append(round(seconds, 3))

    servers = {"this image": [images["this image"]]}
    servers["this image, no access log"] = [*servers["this image"], *OURS.split(), "--access-logfile=/dev/null"]
    servers |= {name: [SERVERS, *command.split()] for name, command in COMMANDS.items()}
    servers |= {"Go": [images["Go, from scratch"]]}
    results["serve"] = {name: [] for name in servers}
    for number in rounds("serve", 10):
        for name, server in servers.items():
            if number < 7 or name == "this image":
                results["serve"][name].append(serve(*server))

    attacked = {name: servers[name] for name in ("this image", "gunicorn, its defaults")}
    results["hold"] = {name: {} for name in attacked}
    say(f"hold: 200 sockets of each of {len(KINDS)} kinds, three kinds at once, against {' and '.join(attacked)}")
    with engine.threads(6) as pool:  # which leaves the cores idle, nearly
        for kind in KINDS:
            for name, server in attacked.items():
                results["hold"][name][kind] = pool.submit(hold, kind, *server, seconds=3 if QUICK else 20)
        for kinds in results["hold"].values():
            kinds |= {kind: held.result() for kind, held in kinds.items()}

    fat = {
        "this image": servers["this image"],
        "this image, preload": [*servers["this image"], *OURS.split(), "--preload"],
        "this image, nothing shared": [*servers["this image"], "python", "-c", UNSHARED],
        **{name: servers[name] for name in ("gunicorn, its defaults", "Go")},
    }
    results["memory"] = {name: [] for name in fat}
    for number in rounds("memory", 7):
        for name, server in fat.items():
            if number < 1 or name.startswith("this image"):
                results["memory"][name].append(memory(*server))
    return results


def machine():
    """Return what the figures depend on, of this machine."""
    cpu = (
        re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        if Path("/proc/cpuinfo").exists()
        else None
    )
    info = json.loads(engine.docker("info", "--format={{json .}}"))
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu[1] if cpu else platform.processor(),
        "cores": info["NCPU"],
        "memory": info["MemTotal"],
        "kernel": info["KernelVersion"],
        "docker": info["ServerVersion"],
    }


def versions():
    """Return the versions of what serves and what loads."""
    found = dict(re.findall(r"^(\S+)==(\S+)", (engine.ROOT / "requirements/servers.txt").read_text(), re.MULTILINE))
    found |= re.findall(r"^(\S+)==(\S+)", (engine.ROOT / "requirements/runtime.txt").read_text(), re.MULTILINE)
    found["python"] = engine.run(
        tag("this image"), "python", "-c", "import platform; print(platform.python_version())"
    )
    found["go"] = engine.run(tag("Go, one stage"), "go", "env", "GOVERSION").removeprefix("go")
    found["wrk"] = re.search(r"wrk \S*?([\d.]+)", engine.run(engine.CLIENT, "sh", "-c", "wrk -v || true"))[1]
    return {name: version.strip() for name, version in sorted(found.items())}


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        engine.docker("version")
        results = measure()
    except FileNotFoundError:
        sys.exit("docker: not found: the images are measured on a Docker Engine")
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"status {error.returncode}"]
        said = [line for line in lines if line.startswith("ERROR")] or lines
        sys.exit(f"{' '.join(error.cmd[:3])}: {said[-1]}")
    except (TimeoutError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
    print(f"\n{tables.images(results)}\n\n{tables.figures(results)}")
    if not QUICK:
        (FOLDER / "results.json").write_text(tables.dump(results))
        picture.draw(results, FOLDER / "images.svg")
        tables.write(engine.ROOT / "README.md", results)


if __name__ == "__main__":
    BEGAN = time.monotonic()
    main()
