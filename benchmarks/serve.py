"""Requests per second and the 99th percentile of the latency, under wrk with 32 connections.

python benchmarks/serve.py IMAGE [COMMAND...]
"""

import re
import statistics
import sys

import engine

CONNECTIONS = 32
WRK = f"wrk --threads 1 --connections {CONNECTIONS} --latency"
URL = "http://127.0.0.1:8080/"
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}


def serve(image, *command):
    """Return two loads of one fresh container, after a warm-up: by kept connections, and by a new one each request."""
    with engine.server(image, *command) as (name, _):
        loads = f"{WRK} -d1s {URL} && {WRK} -d2s {URL} && {WRK} -d2s -H 'Connection: close' {URL}"
        printed = engine.run(f"--network=container:{name}", engine.CLIENT, "sh", "-c", loads)
    _, _, kept, new = printed.split("Running ")
    return {"kept": parse(kept), "new": parse(new)}


def parse(printed):
    """Return the figures of one run of wrk: requests per second, p99 in seconds, and what was not answered by 200."""
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", printed).groups()
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", printed)
    others = re.search(r"Non-2xx or 3xx responses: (\d+)", printed)
    return {
        "requests_per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", printed)[1]),
        "p99": float(value) * UNITS[unit],
        "errors": sum(int(number) for found in (errors, others) if found for number in found.groups()),
    }


if __name__ == "__main__":
    engine.build_client()
    runs = []
    for _ in range(10):
        runs.append(serve(*sys.argv[1:]))
        print(runs[-1], flush=True)
    for load in ("kept", "new"):
        rates = [run[load]["requests_per_second"] for run in runs]
        median = statistics.median(rates)
        print(f"{load}: median {median:.0f}/s, min {min(rates):.0f}, max {max(rates):.0f}, min/median {min(rates) / median:.2f}")
