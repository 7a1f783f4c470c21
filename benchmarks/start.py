"""Seconds to start a container: to the first answer, and for nothing at all."""

import time

import engine


def start(image, *options):
    """Return the seconds from calling `docker run`, with these options, to the first 200."""
    with engine.server(image, options=options) as (_, seconds):
        return round(seconds, 4)


def floor(image, *options):
    """Return the seconds that `docker run` takes when all that the container does is start Python and end."""
    publish = f"--publish=127.0.0.1:{engine.free_port()}:8080"
    began = time.perf_counter()
    with engine.container(publish, *options, image, "python", "-c", "pass"):
        return round(time.perf_counter() - began, 4)
