"""What an image consists of: its configuration, its layers and their files."""

import io
import json
import tarfile
import tempfile

from shell import run


def inspect(image):
    """Return what the engine says of an image."""
    return json.loads(run("docker", "image", "inspect", image))[0]


def read_layers(image):
    """Return each layer as the bytes of its archive, the base image's first."""
    # The classic image store saves an image, but exports no build as an archive.
    with tempfile.NamedTemporaryFile() as file:
        run("docker", "save", "--output", file.name, image)
        with tarfile.open(file.name) as archive:
            manifest = json.load(archive.extractfile("manifest.json"))
            names = manifest[0]["Layers"]
            return [archive.extractfile(name).read() for name in names]


def read_files(layer):
    """Return {name: bytes} of a layer; None for what is no file."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return {
            member.name: archive.extractfile(member).read() if member.isfile() else None
            for member in archive
        }


def all_files(image):
    """Yield (name, bytes) of what each layer has; None for what is no file."""
    for layer in read_layers(image):
        yield from read_files(layer).items()
