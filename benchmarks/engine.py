"""The Docker Engine: build images, and run containers that are gone afterwards, however the run ends."""

import contextlib
import http.client
import itertools
import os
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
CLIENT = "hello-bench:client"
URL = "http://127.0.0.1:8080/"
NUMBERS = itertools.count()


def docker(*arguments):
    """Return what a docker command prints; raise CalledProcessError when it fails."""
    command = ["docker", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout


@contextlib.contextmanager
def threads(number):
    """Run what is submitted in so many threads; when the block ends, what was not begun by then is dropped."""
    pool = ThreadPoolExecutor(number)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def build(image, *options, context="."):
    """Build `image` with options of `docker build`; return the seconds that took."""
    began = time.perf_counter()
    docker("build", f"--tag={image}", *options, context)
    return time.perf_counter() - began


def build_client():
    """Build the image that loads and watches the servers, from inside the network or the processes of each."""
    build(CLIENT, "--file=benchmarks/client.Dockerfile")


@contextlib.contextmanager
def container(*arguments):
    """Run a container, with arguments of `docker run`, until the block ends, which gets its name and output."""
    name = f"hello-bench-{os.getpid()}-{next(NUMBERS)}"
    try:
        yield name, docker("run", f"--name={name}", *arguments)
    finally:
        # In a session of its own: a second Ctrl-C does not reach it.
        subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, start_new_session=True)


def run(*arguments):
    """Return what a container prints that ends by itself, run with arguments of `docker run`."""
    with container(*arguments) as (_, printed):
        return printed


@contextlib.contextmanager
def server(image, *command, options=()):
    """Run a server, listening on port 8080 of its container, until the block ends.

    The block gets the container's name, and the seconds from calling `docker run` to the first right answer. Raises
    TimeoutError when there was none in 60 seconds.
    """
    port = free_port()
    began = time.perf_counter()
    with container("--detach", f"--publish=127.0.0.1:{port}:8080", *options, image, *command) as (name, _):
        while not answers(port):
            if time.perf_counter() > began + 60:
                raise TimeoutError(f"{image} {' '.join(command)}: no answer in 60 seconds")
            time.sleep(0.002)
        yield name, time.perf_counter() - began


def free_port():
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def answers(port):
    """Return whether GET / on a port of this machine is answered, and to the byte as the app does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        found = answer.status, answer.getheader("Content-Type"), answer.read()
        return found == (200, "text/plain; charset=utf-8", b"Hello world!")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
