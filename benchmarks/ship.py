"""What a one-line change of the app's text costs: the rebuild, and the layers that a registry must be sent."""

import json
import shutil
import tempfile
import uuid
from pathlib import Path

import engine
from layers import compressed, layers

IMAGE = "hello-bench:changed"
TEXTS = ["hello_app/__init__.py", "benchmarks/server.go"]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache")


def ship(builds, rounds):
    """Yield a name in `builds` (there with options of `docker build`), and what a change costs that image.

    That is the seconds of the rebuild and, in the last of the rounds, the bytes to be sent. Each round rebuilds every
    image once, in a copy of the tree, with a text that was never built before.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        shutil.copytree(engine.ROOT, source, ignore=LEFT_OUT)
        # A variable of its own, so that all build on one layer: of several equal ones in the cache, any can be taken.
        change(source / "Dockerfile", " AS installed\n", f" AS installed\nENV BUILD={uuid.uuid4()}\n")
        had, text = {}, "Hello world!"
        for number in range(rounds + 1):
            for name, options in builds.items():
                seconds = engine.build(IMAGE, *options, context=source)
                found = json.loads(engine.docker("image", "inspect", "--format={{json .RootFS.Layers}}", IMAGE))
                if number == rounds:
                    sent = [layer for layer, key in zip(layers(IMAGE), found, strict=True) if key not in had[name]]
                    yield name, seconds, sum(map(compressed, sent))
                elif number:
                    yield name, seconds, None
                had[name] = found
            before, text = text, f"Hello {uuid.uuid4()}!"
            for path in TEXTS:
                change(source / path, before, text)
        engine.docker("image", "rm", IMAGE)


def change(path, old, new):
    path.write_text(path.read_text().replace(old, new))
