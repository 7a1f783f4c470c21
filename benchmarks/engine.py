"""The Docker Engine: build images, and run containers that are gone afterwards, however the run ends."""

import contextlib
import http.client
import itertools
import os
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
CLIENT = "hello-bench:client"
NAMES = (f"hello-bench-{os.getpid()}-{number}" for number in itertools.count())


def docker(*arguments, **options):
    """Return what a docker command prints; raise CalledProcessError when it fails."""
    command = ["docker", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True, **options).stdout


def build(image, *options):
    """Build this folder's tree, with options of `docker build`, as `image`; return the seconds that took."""
    began = time.perf_counter()
    docker("build", f"--tag={image}", *options, ".")
    return time.perf_counter() - began


def build_client():
    """Build the image with the load generator, which runs in the network of the container that it loads."""
    build(CLIENT, "--file=benchmarks/client.Dockerfile")


def run(*arguments):
    """Return what a container prints that ends by itself, run with these arguments of `docker run`."""
    name = next(NAMES)
    try:
        return docker("run", "--rm", f"--name={name}", *arguments)
    finally:
        remove(name)


def free_port():
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextlib.contextmanager
def server(image, *command, options=()):
    """Run a container of `image` until the `with` block ends, which gets its name and its seconds to the first 200.

    The container listens on its port 8080. Raises TimeoutError when it gave no answer in 60 seconds.
    """
    name, port = next(NAMES), free_port()
    try:
        began = time.perf_counter()
        docker("run", "--detach", f"--name={name}", f"--publish=127.0.0.1:{port}:8080", *options, image, *command)
        while not answers(port):
            if time.perf_counter() > began + 60:
                raise TimeoutError(f"{image} gave no answer in 60 seconds")
            time.sleep(0.002)
        yield name, time.perf_counter() - began
    finally:
        remove(name)


def answers(port):
    """Return whether GET / on a port of this machine is answered as the app answers it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        body, content_type = answer.read(), answer.getheader("Content-Type")
        return (answer.status, body, content_type) == (200, b"Hello world!", "text/plain; charset=utf-8")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def remove(container):
    """Remove a container, if there is one, with its process."""
    subprocess.run(["docker", "rm", "--force", "--volumes", container], capture_output=True)
