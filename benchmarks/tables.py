"""Write the figures into the READMEs, in two kinds of places:

- a whole table, between <!-- NAME --> and <!-- end -->: NAME is a function of `TABLES`
- the number before <!--KIND:ROW--> or, for a ratio, before <!--KIND:ROW/ROW-->;
  a row is named by its first word
"""

import re
from statistics import median

STEPS = "benchmarks/steps/"
LINKS = {
    "1 full": (STEPS + "1-full.Dockerfile", "one stage on `python:3.14`"),
    "2 slim": (STEPS + "2-slim.Dockerfile", "one stage on slim"),
    "3 venv": (STEPS + "3-venv.Dockerfile", "a virtual environment is copied"),
    "4 wheels": (STEPS + "4-wheels.Dockerfile", "wheels are bind-mounted"),
    "5 layers": (STEPS + "5-layers.Dockerfile", "the app is the last layer"),
    "6 runtime": ("Dockerfile", "constant dates, no pip, a non-root user"),
    "7 bare": ("Dockerfile", "the same app in `scratch`"),
    "uv": ("benchmarks/uv.Dockerfile", "step 3 with uv, as its documentation shows"),
    "no-compile": ("benchmarks/no-compile.Dockerfile", "step 3, pip's `--no-compile`"),
}


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"|{'|'.join(cells)}|\n" for cells in lines)


def steps(results):
    header = "step|what it is|on disk, MB|packages|fresh push, kB|cold build, s"
    rows = []
    for name, (path, words) in LINKS.items():
        figures = [
            results["disk"][name] / 1e6,
            results["packages"][name],
            results["fresh"][name] / 1e3,
            *(median(results[kind][name]) for kind in ("cold", "code", "start")),
        ]
        rows.append([f"[{name}]({path})", words, *map(figure, figures)])
    return table([*header.split("|"), "rebuild, s", "start, s"], rows)


def sizes(results, prefix=""):
    kinds = ["disk", "compressed", "warm", "fresh"]
    header = ["image", "on disk", "compressed", "pushed", "pushed without a cache"]
    rows = [
        [name, *(size(results[prefix + kind][name]) for kind in kinds)]
        for name in results[prefix + "disk"]
    ]
    return table(header, rows)


def gallery(results):
    return sizes(results, "gallery-")


def builds(results):
    kinds = ["code", "dependency", "cold"]
    rows = [
        [name, *(spread(results[kind][name]) for kind in kinds)]
        for name in results["code"]
    ]
    return table(["image", "rebuild", "dependency change", "cold"], rows)


def starts(results):
    rows = [
        [name, spread(seconds), spread(results["slow"].get(name))]
        for name, seconds in results["start"].items()
    ]
    return table(["image", "start", "start with 0.2 CPU"], rows)


def machine(results):
    rows = [[name, text] for name, text in results["machine"].items()]
    return table(["measured on", ""], rows)


TABLES = [steps, sizes, gallery, builds, starts, machine]


def fill(text, results):
    """Return a README with the figures of the results."""
    for make in TABLES:
        place = rf"(<!-- {make.__name__} -->\n).*?(<!-- end -->)"
        whole = make(results).replace("\\", r"\\")
        text = re.sub(place, rf"\g<1>{whole}\n\g<2>", text, flags=re.DOTALL)
    parts = re.split(r"[\d.,]+<!--(\S+)-->", text)
    for index in range(1, len(parts), 2):
        parts[index] = f"{number(results, parts[index])}<!--{parts[index]}-->"
    return "".join(parts)


def number(results, marker):
    """Return the text of a marker: KIND:ROW/ROW is a ratio.

    KIND:ROW is in megabytes for a size, in kilobytes for a push, in seconds for a time.
    """
    kind, _, rows = marker.partition(":")
    values = {name.split()[0]: value for name, value in results[kind].items()}
    row, _, other = rows.partition("/")
    if other and isinstance(values[row], int):
        return figure(values[row] / values[other])
    if other:
        return figure(median(ratios(values, row, other)))
    if isinstance(values[row], list):
        return figure(median(values[row]))
    units = {"fresh": 1e3, "warm": 1e3, "packages": 1}
    return figure(values[row] / units.get(kind, 1e6))


def ratios(values, row, other):
    """Return the ratio in each round, in which background load hits both."""
    pairs = zip(values[row], values[other], strict=True)
    return [numerator / denominator for numerator, denominator in pairs]


def spread(values):
    """Return the median in seconds, the lowest and the highest, as text."""
    if not values:
        return "-"
    lowest, highest = figure(min(values)), figure(max(values))
    return f"{figure(median(values))} s ({lowest} to {highest})"


def size(count):
    return f"{figure(count / 1e6)} MB" if count >= 1e5 else f"{figure(count / 1e3)} kB"


def figure(value):
    for digits, limit in ((2, 2), (1, 100)):
        if value != int(value) and round(value, digits) < limit:
            return f"{value:,.{digits}f}"
    return f"{value:,.0f}"
