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

    That is the seconds of the rebuild, and the bytes to be sent. Each round rebuilds the images once, each as often as
    `rounds` says, in a copy of the tree, with a text that was never built before.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        shutil.copytree(engine.ROOT, source, ignore=LEFT_OUT)
        # A variable of its own, so that all build on one layer: of several equal ones in the cache, any can be taken.
        change(source / "Dockerfile", " AS installed\n", f" AS installed\nENV BUILD={uuid.uuid4()}\n")
        had, sent, text = {}, {}, "Hello world!"
        for number in range(max(rounds.values()) + 1):
            for name, options in builds.items():
                if number > rounds[name]:
                    continue
                seconds = engine.build(IMAGE, *options, context=source)
                found = json.loads(engine.docker("image", "inspect", "--format={{json .RootFS.Layers}}", IMAGE))
                if number == 1:
                    new = [layer for layer, key in zip(layers(IMAGE), found, strict=True) if key not in had[name]]
                    sent[name] = sum(map(compressed, new))
                if number:
                    yield name, seconds, sent[name]
                had[name] = found
            before, text = text, f"Hello {uuid.uuid4()}!"
            for path in TEXTS:
                change(source / path, before, text)
        engine.docker("image", "rm", IMAGE)


def change(path, old, new):
    path.write_text(path.read_text().replace(old, new))
