"""The Docker Engine: build images, weigh them, and run containers that are gone afterwards, however the run ends."""

import gzip
import http.client
import json
import os
import socket
import subprocess
import time
from functools import cache
from pathlib import Path
from subprocess import DEVNULL, PIPE


def docker(*arguments, cwd=None):
    """Return what a docker command prints; raise CalledProcessError when it fails."""
    return subprocess.run(["docker", *arguments], cwd=cwd, capture_output=True, check=True, text=True).stdout


def apart(*arguments):
    """Start a docker command that Ctrl-C does not reach: what it makes is whole, and what it removes is gone."""
    return subprocess.Popen(["docker", *arguments], stdout=DEVNULL, stderr=PIPE, text=True, start_new_session=True)


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
    manifest = json.loads(blob(store, json.loads(metadata.read_text())["containerimage.digest"]).read_text())
    found = {layer["digest"]: layer["size"] for layer in manifest["layers"]}
    return {digest: (size, unpacked(blob(store, digest))) for digest, size in found.items()}


def blob(store, digest):
    return Path(store, "blobs", *digest.split(":"))


@cache
def unpacked(path):
    with gzip.open(path) as layer:
        return layer.seek(0, os.SEEK_END)


def start(image, *options):
    """Run a server on port 8080 of a container, with options of `docker run`, until it has answered once.

    Return the seconds from calling `docker run` to the right answer; raise TimeoutError when there was none in 60.
    """
    port = free_port()
    name = f"hello-bench-{os.getpid()}-{port}"
    began = time.perf_counter()
    run = apart("run", "--detach", f"--name={name}", f"--publish=127.0.0.1:{port}:8080", *options, image)
    try:
        if run.wait():
            raise subprocess.CalledProcessError(run.returncode, run.args, stderr=run.stderr.read())
        while not answers(port):
            if time.perf_counter() > began + 60:
                raise TimeoutError(f"{image}: no right answer in 60 seconds")
            time.sleep(0.002)
        return round(time.perf_counter() - began, 4)
    finally:
        run.communicate()
        apart("rm", "--force", "--volumes", name).communicate()


def free_port():
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def answers(port):
    """Return whether GET / on a port of this machine is answered as the app does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return (answer.status, answer.read()) == (200, b"Hello world!")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
