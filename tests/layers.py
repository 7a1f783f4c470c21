"""The layers of an image."""

import io
import json
import subprocess
import tarfile

from shell import RUN, run


def read_layers(image):
    """Return each layer as the bytes of its tar archive, the base image's first.

    By a build and not by docker save, whose layers are zstd when the cache has those
    of a release, and Python 3.11 cannot read them.
    """
    name = f"{RUN}:layers"
    run("docker", "tag", image, name)
    command = ["docker", "build", "--provenance=false", "-"]
    command += [f"--build-context=image=docker-image://{name}"]
    command += ["--output=type=docker,dest=-,compression=uncompressed"]
    command[-1] += ",force-compression=true"
    done = subprocess.run(command, input=b"FROM image", capture_output=True, check=True)
    run("docker", "image", "rm", name)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))
        return [archive.extractfile(name).read() for name in manifest[0]["Layers"]]


def files(layer):
    """Return {name: bytes} of a layer; None for what is no file."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return {
            member.name: archive.extractfile(member).read() if member.isfile() else None
            for member in archive
        }
