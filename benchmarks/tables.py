"""What the READMEs state of the results, as Markdown: each part stands between markers of its function's name."""

import json
import re
from statistics import median

WEIGHTS = ["image", "on disk", "compressed", "pushed after a code change"]


def weigh(before, after):
    """Return what an image weighs, from its layers {digest: (compressed, unpacked)} before and after a code change.

    Returns bytes: "disk" and "compressed" of all layers before, and "pushed", compressed, of those only there after.
    """
    return {
        "disk": sum(unpacked for _, unpacked in before.values()),
        "compressed": sum(compressed for compressed, _ in before.values()),
        "pushed": sum(after[digest][0] for digest in after.keys() - before.keys()),
    }


def images(results):
    """Return the summary: a row for each Python image, with medians."""
    code, full = results["build"]["code"], results["start"]["full"]
    rows = [
        [*weights(results["size"], name), f"{median(code[name]):.1f} s", f"{median(full[name]):.2f} s"]
        for name in code
    ]
    return table([*WEIGHTS, "rebuild", "start"], rows)


def ratios(results):
    """Return two sentences of how `runtime` and `bare` compare with what they replace."""
    names = ("one stage", "slim", "runtime", "bare")
    full, slim, runtime, bare = (results["size"][name]["disk"] for name in names)
    starts = results["start"]["full"]
    slims, venvs, uvs = (ratio(starts["runtime"], starts[name]) for name in ("slim", "venv", "uv"))
    return (
        f"`runtime` is {full / runtime:.1f} times smaller than one stage on the full image and"
        f" {100 * (1 - runtime / slim):.0f} % smaller than one stage on slim; `bare` is {full / bare:.0f} and"
        f" {slim / bare:.1f} times smaller. `runtime` starts in {slims:.2f} of the time of slim, {venvs:.2f} of that"
        f" of venv and {uvs:.2f} of that of uv."
    )


def second(results):
    """Return two sentences of how the same ratios are for the second app, which has more dependencies."""
    full, slim, runtime, bare = (results["gallery"][name]["disk"] for name in ("one stage", "slim", "runtime", "bare"))
    return (
        "The ratio to the full image shrinks as dependencies grow. An app with gevent, a package that compiles and"
        f" 1 MB of static files is {full / runtime:.1f} times smaller in `runtime` and {full / bare:.0f} times in"
        f" `bare`; beside slim, where it needs a compiler, {slim / runtime:.1f} and {slim / bare:.1f} times."
    )


def size(results):
    """Return the table of sizes, with Go."""
    return table(WEIGHTS, [weights(results["size"], name) for name in results["size"]])


def gallery(results):
    """Return the table of the second app's sizes."""
    return table(WEIGHTS, [weights(results["gallery"], name) for name in results["gallery"]])


def build(results):
    """Return the table of build times."""
    kinds = {"code": "after a code change", "dependency": "after a dependency change", "cold": "cold"}
    return spreads(results["build"], kinds)


def start(results):
    """Return the table of start times."""
    return spreads(results["start"], {"full": "start", "slow": "start with 0.2 CPU"})


def machine(results):
    """Return what the figures depend on."""
    return results["machine"]


def fill(text, parts):
    """Return `text` with each of `parts`, {name: lines}, between its markers; raise ValueError without a marker."""
    for name, lines in parts.items():
        before, opening, rest = text.partition(f"<!-- {name} -->\n")
        _, closing, after = rest.partition(f"<!-- /{name} -->")
        if not closing:
            raise ValueError(f"<!-- {name} --> and <!-- /{name} --> have to stand in the README, each in its line")
        text = f"{before}{opening}{lines}\n{closing}{after}"
    return text


def ratio(ours, theirs):
    """Return the median of the rounds' ratios: what a machine does besides hits both of one round."""
    return median(one / other for one, other in zip(ours, theirs, strict=True))


def weights(sizes, name):
    return [name, *(bytes_(sizes[name][kind]) for kind in ("disk", "compressed", "pushed"))]


def spreads(found, kinds):
    """Return a table of medians, lowest and highest: a column for each of `kinds`, of which the first has all rows."""

    def spread(values):
        if not values:
            return ""
        digits = 1 if median(values) >= 2 else 2
        middle, low, high = (f"{value:.{digits}f}" for value in (median(values), min(values), max(values)))
        return f"{middle} s ({low} to {high})"

    rows = [[row, *(spread(found[kind].get(row)) for kind in kinds)] for row in found[next(iter(kinds))]]
    return table(["image", *kinds.values()], rows)


def bytes_(count):
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def table(head, rows):
    """Return a Markdown table; the names of stages stand in backquotes."""
    rows = [[f"`{name}`" if name in ("runtime", "bare") else name, *cells] for name, *cells in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])


def dump(results):
    """Return the results as JSON, a list of numbers in one line."""
    text = json.dumps(results, indent=1)
    return re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text) + "\n"


SUMMARY = (images, ratios, second)  # of the README.md at the top
DETAILS = (size, gallery, build, start, machine)  # of that beside this file
