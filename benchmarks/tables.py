"""The figures of the READMEs. People write the words, and this writes the numbers beside them, in two kinds of places:

- the last cells of each row of a table below <!-- NAME -->: NAME is a key of `tables`, the row's first cell one of it
- the number before <!--KIND ROW--> or <!--KIND ROW/ROW-->, which is a ratio: 2.1<!--start 3/6--> times
"""

import re
from itertools import pairwise
from statistics import median


def weigh(before, after):
    """Return what an image weighs, from its layers {digest: (compressed, unpacked)} before and after a code change.

    Returns bytes: "disk" and "compressed" of all layers before, and "pushed", compressed, of those only there after.
    """
    return {
        "disk": sum(unpacked for _, unpacked in before.values()),
        "compressed": sum(compressed for compressed, _ in before.values()),
        "pushed": sum(after[digest][0] for digest in after.keys() - before.keys()),
    }


def tables(results):
    """Return {table: {row: [cells]}}."""
    disk, code, start = results["disk"], results["code"], results["start"]
    steps = [name for name in code if name[0].isdigit()]
    return {
        "steps": {
            name: [size(disk[name]), size(results["pushed"][name]), seconds(code[name]), seconds(start[name])]
            for name in code
        },
        "size": {name: sizes(results, name) for name in disk},
        "gallery": {name: sizes(results, name, "gallery ") for name in results["gallery disk"]},
        "build": {name: [spread(results[kind][name]) for kind in ("code", "dependency", "cold")] for name in code},
        "start": {name: [spread(start[name]), spread(results["slow"].get(name))] for name in start},
        "ratios": {
            after: [spread(ratios(results[kind], after, before), "") for kind in ("code", "start")]
            for before, after in pairwise(steps)
        },
        "machine": {name: [text] for name, text in results["machine"].items()},
    }


def size(count):
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def sizes(results, name, prefix=""):
    return [size(results[prefix + kind][name]) for kind in ("disk", "compressed", "pushed")]


def seconds(values, unit=" s"):
    return f"{median(values):.{1 if median(values) >= 2 else 2}f}{unit}"


def spread(values, unit=" s"):
    """Return the median, the lowest and the highest of the rounds, as text."""
    if not values:
        return "-"
    middle, low, high = (seconds([value], "") for value in (median(values), min(values), max(values)))
    return f"{middle}{unit} ({low} to {high})"


def ratios(found, one, other):
    """Return the ratio of two images in each round, in which whatever else a machine does hits both."""
    return [ours / theirs for ours, theirs in zip(found[one], found[other], strict=True)]


def fill(text, results):
    """Return a README with the figures of the results in place of those that stand there."""
    for name, rows in tables(results).items():
        before, marker, rest = text.partition(f"<!-- {name} -->\n")
        table, end, after = rest.partition("\n\n")
        text = before + marker + re.sub(".+", lambda line, rows=rows: row(line[0], rows), table) + end + after
    return re.sub(r"[\d.,]+<!--(.+?)-->", lambda found: f"{number(results, found[1])}<!--{found[1]}-->", text)


def number(results, marker):
    """Return what a marker asks for, as text: "KIND ROW/ROW", or megabytes for "KIND ROW"; a row by its first word."""
    kind, _, rows = marker.rpartition(" ")
    found = {name.split()[0]: value if isinstance(value, list) else [value] for name, value in results[kind].items()}
    one, _, other = rows.partition("/")
    value = median(ratios(found, one, other)) if other else found[one][0] / 1e6
    return f"{value:,.{0 if value >= 10 else 1}f}"


def row(line, rows):
    """Return a line of a table with the cells of its row; a link, backquotes and brackets are not part of its name."""
    words = [cell.strip() for cell in line.strip("|").split("|")]
    cells = rows.get(re.sub(r"\(.*\)|[\[\]`]", "", words[0]))
    return f"| {' | '.join([*words[: -len(cells)], *cells])} |" if cells else line
