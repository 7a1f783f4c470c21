"""The Docker Engine: build images, weigh them, and run containers that are gone afterwards, however the run ends."""

import gzip
import http.client
import json
import os
import socket
import subprocess
import time
from contextlib import closing, suppress
from functools import cache


def docker(*arguments, cwd=None):
    """Return what a docker command prints; raise CalledProcessError when it fails."""
    return subprocess.run(["docker", *arguments], cwd=cwd, capture_output=True, check=True, text=True).stdout


def build(image, arguments, source):
    """Build `image` with arguments of `docker build`, in the folder `source`; return the seconds that took."""
    began = time.perf_counter()
    docker("build", f"--tag={image}", *arguments, cwd=source)
    return round(time.perf_counter() - began, 3)


def layers(arguments, source, store):
    """Build an image as `build` does, and return its layers, the base image's too: {digest: (compressed, unpacked)}.

    The compressed bytes are those that the manifest states, which BuildKit writes into the folder `store`. BuildKit
    compresses the base image too, where that was loaded uncompressed. The unpacked bytes are those of the layer's tar.
    """
    output = f"--output=type=oci,tar=false,compression=gzip,force-compression=true,dest={store}"
    metadata = store / "metadata.json"
    docker("build", "--provenance=false", output, f"--metadata-file={metadata}", *arguments, cwd=source)
    blobs = store / "blobs/sha256"
    name = json.loads(metadata.read_text())["containerimage.digest"].removeprefix("sha256:")
    found = {layer["digest"][7:]: layer["size"] for layer in json.loads((blobs / name).read_text())["layers"]}
    return {digest: (size, unpacked(blobs / digest)) for digest, size in found.items()}


@cache
def unpacked(path):
    with gzip.open(path) as layer:
        return layer.seek(0, os.SEEK_END)


def start(image, *options):
    """Run a server on port 8080 of a container, with options of `docker run`, until it has answered once.

    Return the seconds from calling `docker run` to the right answer; raise TimeoutError when there was none in 60.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    name = f"hello-bench-{os.getpid()}-{port}"
    began = time.perf_counter()
    try:
        docker("run", "--detach", f"--name={name}", f"--publish=127.0.0.1:{port}:8080", *options, image)
        while not answers(port):
            if time.perf_counter() > began + 60:
                raise TimeoutError(f"{image}: no right answer in 60 seconds")
            time.sleep(0.002)
        return round(time.perf_counter() - began, 4)
    finally:
        docker("rm", "--force", "--volumes", name)


def answers(port):
    """Return whether GET / on a port of this machine is answered as the app does."""
    with (
        suppress(OSError, http.client.HTTPException),
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection,
    ):
        connection.request("GET", "/")
        return connection.getresponse().read() == b"Hello world!"
