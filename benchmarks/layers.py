"""An image's layers, and what they weigh: the same figures on either image store of Docker."""

import gzip
import io
import json
import subprocess
import tarfile


def layers(image):
    """Return the layers of an image, named with its tag, from the base up, each as the bytes of its tar archive.

    Raises CalledProcessError when there is no such image.
    """
    saved = subprocess.run(["docker", "save", image], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        names = json.load(archive.extractfile("manifest.json"))[0]["Layers"]
        found = [archive.extractfile(name).read() for name in names]
    return [gzip.decompress(layer) if layer.startswith(b"\x1f\x8b") else layer for layer in found]


def compressed(layer):
    """Return the number of bytes of a layer compressed by gzip, as a registry is sent it."""
    return len(gzip.compress(layer, 6))
