"""Seconds to start a container: to the first answer, and for nothing at all."""

import time
from datetime import datetime

import engine


def start(image, *options):
    """Return the seconds from calling `docker run`, with these options, to the first 200."""
    with engine.server(image, options=options) as (_, seconds):
        return round(seconds, 4)


def floor(image, *options):
    """Return the seconds from calling `docker run` until the container, which only starts Python, has ended."""
    publish = f"--publish=127.0.0.1:{engine.free_port()}:8080"
    began = time.time()
    with engine.container(publish, *options, image, "python", "-c", "pass") as (name, _):
        # By the engine's clock: `docker run` itself returns when the network is taken down too.
        ended = engine.docker("inspect", "--format={{.State.FinishedAt}}", name).strip()
    return round(datetime.fromisoformat(ended).timestamp() - began, 4)
