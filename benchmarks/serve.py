"""Requests per second and the 99th percentile of the latency, under wrk with 32 connections.

python benchmarks/serve.py IMAGE [COMMAND...]
"""

import re
import statistics
import sys

import engine

WRK = "wrk --threads=1 --connections=32 --latency"
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}


def serve(image, *command):
    """Return two loads of one fresh container: by a new connection for each request, then by kept connections."""
    loads = f"{WRK} -d1 -H 'Connection: close' {engine.URL} && {WRK} -d2 {engine.URL}"
    with engine.server(image, *command) as (name, _):
        printed = engine.run(f"--network=container:{name}", engine.CLIENT, "sh", "-c", loads)
    _, new, kept = printed.split("Running ")
    return {"kept": parse(kept), "new": parse(new)}


def parse(printed):
    """Return the figures of one run of wrk: requests per second, p99 in seconds, and the number of errors.

    An error is a connection or request that failed, or an answer that was neither 2xx nor 3xx.
    """
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", printed).groups()
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", printed)
    refusals = re.search(r"Non-2xx or 3xx responses: (\d+)", printed)
    return {
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", printed)[1]),
        "p99": round(float(value) * SECONDS[unit], 6),
        "errors": sum(int(number) for found in (errors, refusals) if found for number in found.groups()),
    }


if __name__ == "__main__":
    engine.build_client()
    runs = []
    for _ in range(10):
        runs.append(serve(*sys.argv[1:]))
        print(runs[-1], flush=True)
    for load in ("kept", "new"):
        rates = [run[load]["rate"] for run in runs]
        low, middle, high = min(rates), statistics.median(rates), max(rates)
        print(f"{load}: median {middle:.0f}/s, {low:.0f} to {high:.0f}, lowest over median {low / middle:.2f}")
