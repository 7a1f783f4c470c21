"""What README states of the results, and the ratios that the image is held to."""

import json
import re
from statistics import median

from hold import p99


def images(results):
    """Return the table of the images: a row for each, the medians."""
    rows = []
    for name, size in results["size"].items():
        if name.startswith("python:"):
            continue
        ship = results["ship"].get(name)
        sent = [bytes_(ship["bytes"]), seconds(ship["seconds"])] if ship else ["", ""]
        starts = [seconds(results["start"][speed].get(name)) for speed in ("full", "slow")]
        rows.append([name, bytes_(size["disk"]), bytes_(size["compressed"]), *sent, *starts])
    floor = [seconds(results["start"][speed]["nothing"]) for speed in ("full", "slow")]
    rows.append(["a container that only starts Python", "", "", "", "", *floor])
    head = ["image", "on disk", "compressed", "sent after a change", "rebuilt in", "start", "start, 0.2 CPU"]
    ours, base = results["size"]["this image"], results["size"]["python:3.14-slim"]
    over = [bytes_(ours[kind] - base[kind]) for kind in ("disk", "compressed")]
    return f"{table(head, rows)}\n\nThis image on top of python:3.14-slim: {over[0]} on disk, {over[1]} compressed."


def figures(results):
    """Return the tables of the ratios and of what is measured of the servers."""
    return "\n\n".join(part(results) for part in (ratios_table, serve_table, hold_table, memory_table, machine))


def ratios(results):
    """Return what is asked of the image: name, figure, its lowest and highest in single rounds, goal, and side.

    Each round has a ratio of its own, of things measured within a minute, and the figure is their median: what the
    machine does besides in the course of the run falls out. The side is ">=" or "<=".
    """
    size, ship, start, serve = (results[kind] for kind in ("size", "ship", "start", "serve"))

    def over(samples, ours, theirs):
        pairs = [one / other for one, other in zip(samples[ours], samples[theirs], strict=False)]
        return median(pairs), (min(pairs), max(pairs))

    rebuilds = {name: found["seconds"] for name, found in ship.items()}
    kept = {name: [run["kept"]["rate"] for run in runs] for name, runs in serve.items()}
    held = results["hold"]["this image"].values()
    fat = {name: [sum(look["loaded"]["processes"]) for look in looks] for name, looks in results["memory"].items()}
    full, slow, us, bare = start["full"], start["slow"], "this image", "this image, from scratch"
    plain = "one stage, slim, no bytecode"

    def whole(value):
        return value, None

    return [
        ("size on disk: one stage over this", *whole(size["one stage"]["disk"] / size[us]["disk"]), 8.4, ">="),
        (
            "size compressed: one stage over this",
            *whole(size["one stage"]["compressed"] / size[us]["compressed"]),
            8.4,
            ">=",
        ),
        (
            "size on disk: one stage over from scratch",
            *whole(size["one stage"]["disk"] / size[bare]["disk"]),
            36,
            ">=",
        ),
        (
            "size compressed: one stage over from scratch",
            *whole(size["one stage"]["compressed"] / size[bare]["compressed"]),
            33,
            ">=",
        ),
        ("bytes sent after a change", *whole(ship[us]["bytes"]), 4096, "<="),
        (
            "bytes sent after a change: one stage over this",
            *whole(ship["one stage"]["bytes"] / ship[us]["bytes"]),
            1000,
            ">=",
        ),
        ("rebuild after a change: this over one stage", *over(rebuilds, us, "one stage"), 0.5, "<="),
        ("start: this over slim without bytecode", *over(full, us, plain), 0.4, "<="),
        ("start: this over the copied virtual environment", *over(full, us, "virtual environment, copied"), 0.6, "<="),
        ("start: this over Go from scratch", *over(full, us, "Go, from scratch"), 2.0, "<="),
        ("start: from scratch over this", *over(full, bare, us), 1.0, "<="),
        ("start at 0.2 CPU: this over slim without bytecode", *over(slow, us, plain), 0.45, "<="),
        ("requests/s: this image's lowest run over its median", *whole(min(kept[us]) / median(kept[us])), 0.85, ">="),
        ("requests/s: this over gunicorn's defaults", *over(kept, us, "gunicorn, its defaults"), 1.2, ">="),
        (
            "requests/s: this without access log over gunicorn's defaults, which have none",
            *over(kept, "this image, no access log", "gunicorn, its defaults"),
            None,
            "",
        ),
        ("requests/s: this over waitress", *over(kept, us, "waitress"), 1.5, ">="),
        ("requests/s: this over gunicorn's gevent worker", *over(kept, us, "gunicorn, gevent"), None, ""),
        ("requests/s: this over granian", *over(kept, us, "granian"), None, ""),
        ("requests/s: this over Go", *over(kept, us, "Go"), None, ""),
        ("hostile sockets: other clients that failed", *whole(sum(kind["failed"] for kind in held)), 0, "<="),
        ("hostile sockets: worst p99 of other clients, s", *whole(max(map(p99, held))), 0.1, "<="),
        ("memory, loaded: this over workers that share nothing", *over(fat, us, f"{us}, nothing shared"), 0.8, "<="),
        ("memory, loaded: this with preload over this", *over(fat, f"{us}, preload", us), None, ""),
    ]


def ratios_table(results):
    rows = []
    for what, value, spread, goal, direction in ratios(results):
        between = f"{spread[0]:.3g} to {spread[1]:.3g}" if spread else ""
        met = "" if goal is None else "yes" if (value >= goal if direction == ">=" else value <= goal) else "**no**"
        aim = "" if goal is None else f"{'at least' if direction == '>=' else 'at most'} {goal:,}"
        rows.append([what, number(value), between, aim, met])
    return table(["ratio", "is", "in single rounds", "goal", "met"], rows)


def serve_table(results):
    rows = []
    for name, runs in results["serve"].items():
        cells = []
        for load in ("kept", "new"):
            rates = [run[load]["rate"] for run in runs]
            cells.append(f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})")
            cells.append(f"{median(run[load]['p99'] for run in runs) * 1000:.1f} ms")
        errors = sum(run[load]["errors"] for run in runs for load in ("kept", "new"))
        rows.append([name, *cells, f"{errors:,}"])
    return table(["served by", "requests/s, kept connections", "p99", "requests/s, new ones", "p99", "errors"], rows)


def hold_table(results):
    names = list(results["hold"])
    rows = []
    for kind in results["hold"][names[0]]:
        cells = []
        for name in names:
            held = results["hold"][name][kind]
            asked = held["failed"] + len(held["seconds"])
            cells += [f"{held['failed']} of {asked}", f"{p99(held) * 1000:,.0f} ms"]
        rows.append([kind, *cells])
    return table(["200 sockets held", *(f"{name}: {what}" for name in names for what in ("failed", "p99"))], rows)


def memory_table(results):
    rows = []
    for name, looks in results["memory"].items():
        cells = []
        for state in ("idle", "loaded"):
            cells.append(bytes_(median(look[state]["charged"] for look in looks)))
            cells.append(bytes_(median(look[state]["anonymous"] for look in looks)))
        workers = zip(*(look["loaded"]["processes"] for look in looks), strict=True)
        rows.append([name, *cells, " + ".join(f"{median(worker) / 1e6:.1f}" for worker in workers) + " MB"])
    head = ["memory", "idle", "of it anonymous", "loaded", "of it anonymous", "loaded, by process"]
    return table(head, rows)


def machine(results):
    found, versions = results["machine"], results["versions"]
    names = "python flask gunicorn gevent waitress uwsgi granian go wrk".split()
    return (
        f"{found['date']}: {found['cpu']}, {found['cores']} cores, {found['memory'] / 2**30:.0f} GiB, Linux"
        f" {found['kernel']}, Docker {found['docker']}; {', '.join(f'{name} {versions[name]}' for name in names)}."
    )


def table(head, rows):
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])


def seconds(samples):
    """Return the median, lowest and highest; nothing where nothing was measured."""
    if not samples:
        return ""
    digits = 1 if median(samples) >= 2 else 2
    return f"{median(samples):.{digits}f} s ({min(samples):.{digits}f} to {max(samples):.{digits}f})"


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def bytes_(count):
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def dump(results):
    """Return the results as JSON, a list of numbers in one line."""
    text = json.dumps(results, indent=1)
    return re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text) + "\n"


def write(readme, results):
    """Put the tables into README, each between its markers."""
    text = readme.read_text()
    for marker, lines in (("images", images(results)), ("figures", figures(results))):
        opening, closing = f"<!-- {marker} -->\n", f"<!-- /{marker} -->"
        before, _, rest = text.partition(opening)
        _, _, after = rest.partition(closing)
        text = f"{before}{opening}{lines}\n{closing}{after}"
    readme.write_text(text)
