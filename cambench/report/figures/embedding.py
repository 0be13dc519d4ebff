"""ExCon's Figures 1 and 6 to 8: features of images (crosses) and of what their maps show (dots) in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from cambench.report.figures.drawing import read_image
from cambench.report.figures.grid import enlarged
from cambench.report.figures.plots import EDGE, GREY, LINE, SMALL, Sheet, footed, legend, wrapped
from cambench.vocabulary import CambenchError

COLOURS = ("#1f5fa8", "#e0922f", "#3f8f4f", "#d1495b", "#8a4fa8")
"""One a class."""
ACROSS, PAIRS = 2, 3
"""Panels side by side, as in Figures 7 and 8; pairs of pictures side by side beneath each."""
WIDTH, HEIGHT, GAP = 3.6, 3.0, 0.25
SIDE = 0.54
"""Inches: a scatter plot and what parts two, a picture's side."""
LETTERS = 26
ORIGINAL, MASKED = ("x", "original"), ("o", "masked")
"""Marker and name. Source: ExCon Figure 1's caption; ExCon §4.4 says the opposite (ExCon protocol §2.4)."""


@dataclass(frozen=True)
class Sample:
    """An image (H,W,3) uint8, its masked version, the number of its class, and p of the predicted class in both."""

    original: NDArray[np.uint8]
    masked: NDArray[np.uint8]
    label: int
    p: float
    masked_p: float


@dataclass(frozen=True)
class Cloud:
    """One run: places (n,2) of n images and of their masked versions, the number of each one's class, from 0.

    caption: a line beneath the title.
    """

    title: str
    caption: str
    original: NDArray[np.float64]
    masked: NDArray[np.float64]
    labels: NDArray[np.int64]
    samples: Sequence[Sample]


def embedding(clouds: Sequence[Cloud], classes: Sequence[str], notes: Sequence[str] = ()) -> Figure:
    """A panel a run, two side by side: crosses for images, dots for masked ones, a colour a class; sample images beneath.

    classes: at most five names. notes: sentences at the foot.
    Raises: CambenchError without panels or for more classes than colours.
    """
    if not clouds or len(classes) > len(COLOURS):
        got = f"{len(clouds)} panels of {len(classes)} classes"
        raise CambenchError(f"figure embedding: expected panels of at most {len(COLOURS)} classes, got {got}.")
    across = min(ACROSS, len(clouds))
    width = max(2 * EDGE + WIDTH * across + GAP * (across - 1), 4.5)
    names = [wrapped(name, LETTERS, 2) for name in classes]
    columns = max(1, int(width / 1.7))
    head = EDGE + (0.05 + LINE * max(name.count("\n") + 1 for name in names)) * -(-(len(names) + 2) // columns) + 0.1
    tall = [3 * LINE + HEIGHT + beneath(cloud) for cloud in clouds]
    rows = [max(tall[i : i + across]) + GAP for i in range(0, len(clouds), across)]
    foot = footed(notes, width - 2 * EDGE, letters=20, most=9)
    high = head + sum(rows) + LINE * len(foot) + EDGE
    sheet, left = Sheet(Figure(figsize=(width, high)), width, high), (width - WIDTH * across - GAP * (across - 1)) / 2
    for n, cloud in enumerate(clouds):
        draw(sheet, cloud, left + (WIDTH + GAP) * (n % across), head + sum(rows[: n // across]))
    squares = [Line2D([], [], linestyle="", marker="s", markersize=4, color=c) for c in COLOURS[: len(names)]]
    marks = [Line2D([], [], linestyle="", marker=m, markersize=4, color=GREY) for m, _ in (ORIGINAL, MASKED)]
    legend(sheet.figure, columns, [*names, ORIGINAL[1], MASKED[1]], [*squares, *marks])
    sheet.foot(foot)
    return sheet.figure


def beneath(cloud: Cloud) -> float:
    """Inches that a panel's pictures take."""
    return 0.1 + -(-len(cloud.samples) // PAIRS) * (SIDE + LINE + 0.06)


def draw(sheet: Sheet, cloud: Cloud, left: float, top: float) -> None:
    """A panel whose upper left corner is there."""
    middle = left + WIDTH / 2
    sheet.text(middle, top + LINE, cloud.title, ha="center", fontsize=SMALL + 1.5, fontweight="bold")
    sheet.text(middle, top + 2 * LINE + 0.04, cloud.caption, ha="center", fontsize=SMALL)
    axes = framed(sheet.axes(left, top + 3 * LINE, WIDTH, HEIGHT), "#bbbbbb", 0.6)
    for n, colour in enumerate(COLOURS):
        own = cloud.labels == n
        if own.any():
            (x, y), (u, v) = cloud.original[own].T, cloud.masked[own].T
            axes.scatter(u, v, s=7, marker=MASKED[0], color=colour, linewidths=0, alpha=0.6)
            axes.scatter(x, y, s=13, marker=ORIGINAL[0], color=colour, linewidths=0.7)
    wide = 2 * SIDE + 0.04
    apart = (WIDTH - PAIRS * wide) / (PAIRS - 1)
    for n, sample in enumerate(cloud.samples):
        x = left + (wide + apart) * (n % PAIRS)
        y = top + 3 * LINE + HEIGHT + 0.1 + (n // PAIRS) * (SIDE + LINE + 0.06)
        for at, pixels, p in ((x, sample.original, sample.p), (x + SIDE + 0.04, sample.masked, sample.masked_p)):
            picture = framed(sheet.axes(at, y, SIDE, SIDE), COLOURS[sample.label], 1.4)
            picture.imshow(np.asarray(enlarged(read_image(pixels))), interpolation="nearest")
            sheet.text(at + SIDE / 2, y + SIDE + LINE + 0.02, f"{100 * p:.1f} %", ha="center", fontsize=SMALL - 0.5)


def framed(axes: Axes, colour: str, line: float) -> Axes:
    """The axes with a frame and without ticks."""
    axes.set_axis_on()
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color=colour, linewidth=line)
    return axes
