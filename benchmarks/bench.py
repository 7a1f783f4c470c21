"""Measure this image beside what it replaces, and write the table into README.md, between its two markers.

Size: all layers unpacked (bytes of their tar archives), and compressed by gzip, as a registry sends them.
Start: seconds from calling `docker run` to the first answer of 200; the median, and the fastest and slowest
of ROUNDS runs. Each round starts every image once, so that what else the machine does falls on all alike.
"""

import http.client
import statistics
import subprocess
import time
from pathlib import Path

from layers import compressed, layers

ROOT = Path(__file__).parent.parent
ROUNDS = 11
PORT = 8089
ONE_STAGE = "--file=benchmarks/one-stage.Dockerfile"
BUILDS = {
    "this image": ["--tag=hello:latest"],
    "this image, without bytecode": ["--tag=hello:no-bytecode", "--file=benchmarks/no-bytecode.Dockerfile"],
    "one stage on python:3.14-slim": ["--tag=hello:slim", ONE_STAGE, "--build-arg=BASE=python:3.14-slim"],
    "one stage on python:3.14": ["--tag=hello:full", ONE_STAGE],
}


def docker(*arguments):
    """Return what a docker command prints, as bytes; raise CalledProcessError when it fails."""
    return subprocess.run(["docker", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def size(image):
    """Return the bytes of an image's layers, unpacked and compressed."""
    found = layers(image)
    return sum(map(len, found)), sum(map(compressed, found))


def start(image):
    """Return the seconds from calling `docker run` to the first 200; raise TimeoutError after 60."""
    began = time.perf_counter()
    container = docker("run", "--detach", f"--publish=127.0.0.1:{PORT}:8080", image).decode().strip()
    try:
        while time.perf_counter() < began + 60:
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
            try:
                connection.request("GET", "/")
                if connection.getresponse().status == 200:
                    return time.perf_counter() - began
            except (OSError, http.client.HTTPException):
                time.sleep(0.002)
            finally:
                connection.close()
        raise TimeoutError(f"{image} gave no answer in 60 seconds")
    finally:
        docker("rm", "--force", container)


def main():
    images = {}
    for name, options in BUILDS.items():
        print(f"building {name}", flush=True)
        docker("build", *options, ".")
        images[name] = options[0].removeprefix("--tag=")
    sizes = {name: size(image) for name, image in images.items()}
    base = size("python:3.14-slim")
    starts = {name: [] for name in images}
    for number in range(ROUNDS):
        print(f"start, round {number + 1} of {ROUNDS}", flush=True)
        for name, image in images.items():
            starts[name].append(start(image))

    lines = ["| image | on disk | compressed | start to first answer |", "|---|---|---|---|"]
    for name, (unpacked, packed) in sizes.items():
        median, least, most = statistics.median(starts[name]), min(starts[name]), max(starts[name])
        mega = ["", ""] if "without" in name else [f"{unpacked / 1e6:.1f} MB", f"{packed / 1e6:.1f} MB"]
        lines.append(f"| {name} | {mega[0]} | {mega[1]} | {median:.2f} s ({least:.2f} to {most:.2f}) |")
    over = [(ours - theirs) / 1e6 for ours, theirs in zip(sizes["this image"], base, strict=True)]
    lines += ["", f"On top of python:3.14-slim: {over[0]:.1f} MB on disk, {over[1]:.1f} MB compressed."]
    table = "\n".join(lines)
    print(table)

    readme = ROOT / "README.md"
    before, _, rest = readme.read_text().partition("<!-- bench -->\n")
    _, _, after = rest.partition("<!-- /bench -->")
    readme.write_text(f"{before}<!-- bench -->\n{table}\n<!-- /bench -->{after}")


if __name__ == "__main__":
    main()
