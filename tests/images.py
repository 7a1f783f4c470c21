"""What an image consists of: its configuration, its layers and their files."""

import io
import json
import subprocess
import tarfile

from shell import run


def inspect(image):
    """Return what the engine says of an image."""
    return json.loads(run("docker", "image", "inspect", image))[0]


def read_layers(image):
    """Return each layer as the bytes of its archive, the base image's first."""
    layers = unpack(["docker", "save", image])
    # Python before 3.14 cannot read zstd, which releases and caches have.
    if any(layer.startswith(b"\x28\xb5\x2f\xfd") for layer in layers):
        # Docker's classic image store saves no zstd, and exports no build.
        command = ["docker", "build", "--provenance=false", "-"]
        command += [f"--build-context=image=docker-image://{image}"]
        output = "--output=type=docker,dest=-,compression=uncompressed"
        layers = unpack([*command, f"{output},force-compression=true"])
    return layers


def unpack(command):
    """Return the layers of the image that a command writes as an archive."""
    done = subprocess.run(command, input=b"FROM image", capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))
        return [archive.extractfile(name).read() for name in manifest[0]["Layers"]]


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
