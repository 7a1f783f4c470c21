"""Whether other clients are still answered while 200 hostile sockets of a kind are held for 20 seconds.

python benchmarks/hold.py IMAGE [COMMAND...]
"""

import json
import sys

import engine
from hostile import KINDS, TIMEOUT


def hold(kind, image, *command, seconds=20):
    """Return what hostile.py prints, of one kind against a fresh container: see there."""
    with engine.server(image, *command) as (name, _):
        attack = ["python", "/hostile.py", kind, "8080", seconds]
        return json.loads(engine.run(f"--network=container:{name}", engine.CLIENT, *attack))


def p99(held):
    """Return the 99th percentile of the seconds that the other clients waited; who had no answer waited TIMEOUT."""
    waited = sorted(held["seconds"] + held["failed"] * [TIMEOUT])
    return waited[int(len(waited) * 0.99)]


if __name__ == "__main__":
    engine.build_client()
    for kind in KINDS:
        held = hold(kind, *sys.argv[1:])
        asked = held["failed"] + len(held["seconds"])
        print(f"{kind:18} {held['failed']:4} of {asked} failed, p99 {p99(held) * 1000:7.1f} ms", flush=True)
