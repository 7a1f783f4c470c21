"""The Docker Engine: build images, weigh them, and run containers that are removed."""

import gzip
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path


def docker(*arguments, cwd=None):
    """Return what a docker command prints; raise CalledProcessError when it fails."""
    command = ["docker", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, check=True, text=True)
    return done.stdout


def build(image, arguments, source):
    """Build `image` in the folder `source`; return the seconds that took."""
    began = time.perf_counter()
    docker("build", f"--tag={image}", *arguments, cwd=source)
    return round(time.perf_counter() - began, 3)


def push(arguments, source, store):
    """Build an image into the folder `store`, which has a registry's layout (OCI).

    Return the bytes that the store lacked, and the manifest. BuildKit compresses the
    layers of the base image too, where that was loaded uncompressed.
    """
    blobs = store / "blobs/sha256"
    before = {path.name for path in blobs.glob("*")}
    (store / "index.json").unlink(missing_ok=True)
    # The provenance that `docker buildx build --push` adds.
    options = ["--provenance=mode=min", *arguments]
    output = "--output=type=oci,tar=false,compression=gzip,force-compression=true"
    docker("build", f"{output},dest={store}", *options, cwd=source)
    pushed = [path for path in blobs.glob("*") if path.name not in before]
    layout = json.loads((store / "index.json").read_text())
    manifest = layout
    while "manifests" in manifest:
        layout["manifests"] = manifest["manifests"][:1]
        digest = layout["manifests"][0]["digest"].removeprefix("sha256:")
        manifest = json.loads((blobs / digest).read_text())
    # syft reads no index in an index: this one names the image, without its provenance.
    (store / "index.json").write_text(json.dumps(layout))
    return sum(path.stat().st_size for path in pushed), manifest


def compressed(manifest):
    """Return the bytes of the layers as a registry has them."""
    return sum(layer["size"] for layer in manifest["layers"])


def unpacked(manifest, store):
    """Return the bytes of the layers' tar archives."""
    total = 0
    for layer in manifest["layers"]:
        with gzip.open(store / "blobs" / layer["digest"].replace(":", "/")) as archive:
            total += archive.seek(0, os.SEEK_END)
    return total


def packages(store):
    """Return how many packages the scanner syft lists in the image of the store."""
    syft = Path(sys.executable).with_name("syft")
    command = [syft, "scan", "--quiet", "--output=json", f"oci-dir:{store}"]
    environment = os.environ | {"SYFT_CHECK_FOR_APP_UPDATE": "false"}
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    return len(json.loads(done.stdout)["artifacts"])


def start(image, *options):
    """Run a server on port 8080 of a container until it has answered once.

    Return the seconds from `docker run` to the right answer; raise TimeoutError when
    there was none in 60.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    name = f"hello-bench-{os.getpid()}-{port}"
    publish = f"--publish=127.0.0.1:{port}:8080"
    began = time.perf_counter()
    try:
        docker("run", "--detach", f"--name={name}", publish, *options, image)
        while not answers(port):
            if time.perf_counter() > began + 60:
                raise TimeoutError(f"{image}: no right answer in 60 seconds")
            time.sleep(0.002)
        return round(time.perf_counter() - began, 4)
    finally:
        docker("rm", "--force", "--volumes", name)


def answers(port):
    """Return whether GET / on a port of this machine is answered as the app does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with suppress(OSError, http.client.HTTPException), closing(connection):
        connection.request("GET", "/")
        return connection.getresponse().read() == b"Hello world!"
