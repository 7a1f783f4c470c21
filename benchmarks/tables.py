"""The figures of the READMEs. People write the words, and this writes the numbers beside them, in two kinds of places:

- the last cells of each row of a table below <!-- NAME -->: NAME is a key of `tables`, the row's first cell one of it
- the number before <!--KIND:ROW--> or <!--KIND:ROW/ROW-->, which is a ratio: 2.1<!--start:3/6--> times
"""

import re
from itertools import pairwise
from statistics import median


def weigh(before, after):
    """Return an image's bytes, from its layers {digest: (compressed, unpacked)} before and after a code change."""
    return {
        "disk": sum(unpacked for _, unpacked in before.values()),
        "compressed": sum(compressed for compressed, _ in before.values()),
        "pushed": sum(after[digest][0] for digest in after.keys() - before.keys()),
    }


def tables(results):
    """Return {table: {row: [cells]}}."""
    disk, pushed, code, start = (results[kind] for kind in ("disk", "pushed", "code", "start"))
    steps = [name for name in code if name[0].isdigit()]

    def sizes(name, prefix=""):
        return [size(results[prefix + kind][name]) for kind in ("disk", "compressed", "pushed")]

    def spreads(name, kinds):
        return [spread(results[kind].get(name)) for kind in kinds]

    return {
        "steps": {
            name: [*map(figure, (disk[name] / 1e6, pushed[name] / 1e3, median(code[name]), median(start[name])))]
            for name in code
        },
        "size": {name: sizes(name) for name in disk},
        "gallery": {name: sizes(name, "gallery-") for name in results["gallery-disk"]},
        "build": {name: spreads(name, ("code", "dependency", "cold")) for name in code},
        "start": {name: spreads(name, ("start", "slow")) for name in start},
        "ratios": {
            after: [spread(ratios(results[kind], after, before), "") for kind in ("code", "start")]
            for before, after in pairwise(steps)
        },
        "machine": {name: [text] for name, text in results["machine"].items()},
    }


def figure(value):
    return f"{value:,.{0 if value >= 100 else 1 if value >= 2 else 2}f}"


def size(count):
    return f"{figure(count / 1e6)} MB" if count >= 1e5 else f"{figure(count / 1e3)} kB"


def spread(values, unit=" s"):
    """Return the median, the lowest and the highest of the rounds, as text."""
    return f"{figure(median(values))}{unit} ({figure(min(values))} to {figure(max(values))})" if values else "-"


def ratios(found, one, other):
    """Return the ratio of two images in each round, in which whatever else a machine does hits both."""
    return [ours / theirs for ours, theirs in zip(found[one], found[other], strict=True)]


def fill(text, results):
    """Return a README with the figures of the results in place of those that stand there."""
    for name, rows in tables(results).items():
        before, marker, rest = text.partition(f"<!-- {name} -->\n")
        table, end, after = rest.partition("\n\n")
        text = before + marker + re.sub(".+", lambda line, rows=rows: row(line[0], rows), table) + end + after
    return re.sub(r"[\d.,]+<!--(\S+)-->", lambda found: f"{number(results, found[1])}<!--{found[1]}-->", text)


def number(results, marker):
    """Return what a marker asks for, as text: "KIND:ROW/ROW", or megabytes for "KIND:ROW"; a row by its first word."""
    kind, _, rows = marker.partition(":")
    found = {name.split()[0]: value if isinstance(value, list) else [value] for name, value in results[kind].items()}
    one, _, other = rows.partition("/")
    return figure(median(ratios(found, one, other)) if other else found[one][0] / 1e6)


def row(line, rows):
    """Return a line of a table with the cells of its row; a link, backquotes and brackets are not part of its name."""
    words = [cell.strip() for cell in line[1:-1].split("|")]
    cells = rows.get(re.sub(r"\(.*\)|[\[\]`]", "", words[0]))
    return f"|{'|'.join([*words[: -len(cells)], *cells])}|" if cells else line
