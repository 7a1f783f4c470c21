"""The picture of README: what an image weighs, and how long it takes to its first answer."""

from statistics import median

import matplotlib
from matplotlib import pyplot

matplotlib.use("svg")
matplotlib.rcParams |= {"svg.hashsalt": "hello", "svg.fonttype": "none"}

OURS, OTHERS, TEXT = "#2f81f7", "#9aa4af", "#6e7781"  # each to be read on white and on black


def draw(results, path):
    """Draw the results into an SVG file: the same results give the same bytes."""
    names = [name for name in results["size"] if not name.startswith("python:")]
    panels = {
        ("MB on disk", "{:,.0f}"): [results["size"][name]["disk"] / 1e6 for name in names],
        ("seconds to the first answer", "{:.2f}"): [median(results["start"]["full"][name]) for name in names],
    }
    figure, axes = pyplot.subplots(1, 2, sharey=True, figsize=(9, 0.34 * len(names) + 0.6))
    for axis, ((title, number), values) in zip(axes, panels.items(), strict=True):
        colours = [OURS if name.startswith("this image") else OTHERS for name in names]
        bars = axis.barh(names, values, color=colours, height=0.62)
        axis.bar_label(bars, [number.format(value) for value in values], padding=4, color=TEXT)
        axis.set_title(title, loc="left", color=TEXT, fontsize=11)
        axis.set_xlim(0, max(values) * 1.15)
        axis.xaxis.set_visible(False)
        axis.tick_params(length=0, labelcolor=TEXT)
        axis.spines[:].set_visible(False)
    axes[0].invert_yaxis()
    for label, name in zip(axes[0].get_yticklabels(), names, strict=True):
        if name.startswith("this image"):
            label.set(color=OURS, fontweight="bold")
    figure.tight_layout(pad=0.4, w_pad=2)
    figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})
