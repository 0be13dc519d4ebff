"""The figure of signed maps: a row an image, beside it its maps in groups under one heading, red for and blue against.

A map that is never negative may stand among them on a scale of one colour, and a mask in black and white.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from cambench.report.figures import drawing
from cambench.report.figures.grid import enlarged
from cambench.report.figures.plots import EDGE, GREY, LINE, SMALL, Sheet, footed, wrapped
from cambench.vocabulary import CambenchError

WHITE = (255, 255, 255)
SIGNED = drawing.Look(0.5, 0.5, towards=(WHITE, (255, 0, 0)), away=(WHITE, (0, 0, 255)), grey=1.0, percentile=100)
"""An opacity of 0.5, the range ±max |M| (weighted-contrast protocol §5); the ends are the purest blue and red: half
transparent over grey, darker ones would look like no colour at all."""
POSITIVE = replace(drawing.LOOK, grey=1.0)
CELL, GAP = 1.35, 0.16
"""Inches: a picture with its share of white, what parts two groups."""
LETTERS = 21
"""Letters of a heading that fit above one picture."""
BAR, HIGH, WORDS = 3.2, 0.11, 2.2
"""Inches: a colour bar, at most, and the words on either side of it."""
NEXT = HIGH + 1.6 * LINE
"""Inches from one colour bar to the next."""
LINES = 3
FOR, AGAINST = "#c00000", "#0033cc"
"""Words of the class that a map speaks for, and of the others: the colours of the maps, dark enough to read."""


@dataclass(frozen=True)
class Below:
    """A picture (H,W,3) uint8 to stand beneath a map, and its lines, each with whether it is of the map's own class."""

    image: NDArray[np.uint8]
    lines: Sequence[tuple[str, bool]]


@dataclass(frozen=True)
class Panel:
    """One map (h,w) that covers its whole image, under the name of its column; beneath it a picture or nothing.

    kind: `signed` in red and blue, `positive` (never negative) on one scale from 0, `mask` white where it is not 0, `blank`
    for a place that stays empty.
    """

    title: str
    heatmap: NDArray[np.float32]
    below: Below | None = None
    kind: Literal["signed", "positive", "mask", "blank"] = "signed"


@dataclass(frozen=True)
class Group:
    """Panels side by side under what they have in common, say a class and its probability."""

    heading: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Row:
    """An image (H,W,3) uint8 as the network saw it, its class, the mask (H,W) bool of the object to outline (None: none).

    aside: words beneath the image, beside the pictures that stand beneath its maps.
    """

    image: NDArray[np.uint8]
    heading: str
    groups: Sequence[Group]
    mask: NDArray[np.bool_] | None = None
    aside: str = ""


def panels(rows: Sequence[Row], signs: tuple[str, str], notes: Sequence[str] = (), amount: str = "") -> Figure:
    """Rows of an image and its maps, each over its image in grey on a range of its own from −m (or 0) to m, m = max |M|.

    signs: what negative and positive values mean, in words for the colour bar; amount: what a positive map's values mean.
    notes: sentences at the foot.
    Every row has the columns of the first one.
    Raises: CambenchError without rows or where their columns differ.
    """
    columns = {tuple(tuple(panel.title for panel in group.panels) for group in row.groups) for row in rows}
    if len(columns) != 1:
        raise CambenchError(f"figure of signed maps: expected rows with the same columns, got {len(columns)} kinds of rows.")
    (counts,) = {tuple(len(group) for group in column) for column in columns}
    width = max(2 * EDGE + CELL * (1 + sum(counts)) + GAP * len(counts), 2 * WORDS + 1)
    foot = footed(notes, width - 2 * EDGE, letters=22, most=9)
    heads = [headings(row) for row in rows]
    heights = [LINE * max(text.count("\n") + 1 for text in head) + 0.04 for head in heads]
    tall = [CELL + LINE + 0.03 + beneath(row) for row in rows]
    titles = ["image", *(panel.title for group in rows[0].groups for panel in group.panels)]
    titles = [wrapped(title, LETTERS) for title in titles]
    upper = EDGE + LINE * (1 + max(title.count("\n") for title in titles))
    end = upper + 0.05 + sum(heights) + sum(tall)
    bars = colour_bars(rows, signs, amount)
    high = end + NEXT * len(bars) + LINE * (0.8 + len(foot)) + EDGE
    sheet, lefts, top = Sheet(Figure(figsize=(width, high)), width, high), left_edges(counts), upper + 0.05
    for row, head, above, own in zip(rows, heads, heights, tall, strict=True):
        draw_row(sheet, row, head, top + above, lefts)
        top += above + own
    for x, title in zip([EDGE, *(x for group in lefts for x in group)], titles, strict=True):
        sheet.text(x + picture() / 2, upper, title, ha="center", fontsize=SMALL + 0.5, fontweight="bold")
    for n, bar in enumerate(bars):
        colour_bar(sheet, end + 0.04 + NEXT * n, bar)
    sheet.foot(foot)
    return sheet.figure


def picture() -> float:
    """Inches of a picture's side."""
    return CELL - 0.07


def beneath(row: Row) -> float:
    """Inches that the pictures beneath a row's maps take, with their lines."""
    counts = [len(panel.below.lines) for group in row.groups for panel in group.panels if panel.below is not None]
    return CELL + LINE * max(counts) if counts else 0.0


def headings(row: Row) -> list[str]:
    """The headings of a row in lines that fit: the image's, then each group's."""
    widths = [LETTERS, *(LETTERS * len(group.panels) for group in row.groups)]
    texts = [row.heading, *(group.heading for group in row.groups)]
    return ["\n".join(wrapped(part, w, LINES) for part in t.split("\n")) for t, w in zip(texts, widths, strict=True)]


def left_edges(counts: Sequence[int]) -> list[list[float]]:
    """Where each panel of each group begins."""
    edges, x = [], EDGE + CELL
    for n in counts:
        x += GAP
        edges.append([x + CELL * i for i in range(n)])
        x += CELL * n
    return edges


def draw_row(sheet: Sheet, row: Row, head: Sequence[str], top: float, lefts: Sequence[Sequence[float]]) -> None:
    """An image and its panels, their upper edge at `top`, the headings above it."""
    image, side = enlarged(drawing.read_image(row.image)), picture()
    grey = image.convert("L").convert("RGB")
    sheet.text(EDGE + side / 2, top - 0.03, head[0], ha="center", fontsize=SMALL)
    show(sheet.axes(EDGE, top, side, side), np.asarray(image), row)
    under = top + side + LINE + 0.05
    if row.aside:
        words = wrapped(row.aside, LETTERS, 8)
        middle = under + (side + LINE * (words.count("\n") + 1)) / 2
        sheet.text(EDGE + side / 2, middle, words, ha="center", fontsize=SMALL, color=GREY)
    for group, text, edges in zip(row.groups, head[1:], lefts, strict=True):
        end = edges[-1] + side
        sheet.text((edges[0] + end) / 2, top - 0.03, text, ha="center", fontsize=SMALL)
        for panel, left in zip(group.panels, edges, strict=True):
            if panel.kind == "blank":
                continue
            show(sheet.axes(left, top, side, side), coloured(grey, panel), row)
            if panel.kind != "mask":
                largest = f"m = {short(float(np.abs(panel.heatmap).max()))}"
                sheet.text(left + side, top + side + LINE, largest, ha="right", fontsize=SMALL - 1.5, color=GREY)
            if panel.below is not None:
                draw_below(sheet, panel.below, left, under)


def short(number: float) -> str:
    """Two digits, or the whole number where it has more."""
    return f"{number:.0f}" if 100 <= number < 1e5 else f"{number:.2g}"


def coloured(grey: Image.Image, panel: Panel) -> NDArray[np.uint8]:
    """A panel's map over its image in grey, or its mask in black and white.

    Raises: CambenchError where a positive map has a negative value.
    """
    if panel.kind == "mask":
        white = Image.fromarray((255 * (panel.heatmap != 0)).astype(np.uint8)).resize(grey.size, Image.Resampling.NEAREST)
        return np.asarray(white.convert("RGB"))
    if panel.kind == "positive":
        if drawing.signed(panel.heatmap):
            raise CambenchError(f"figure of signed maps: expected {panel.title!r} positive, got {panel.heatmap.min():.3g}.")
        return np.asarray(drawing.overlay(grey, panel.heatmap, POSITIVE))
    return np.asarray(drawing.overlay(grey, panel.heatmap, SIGNED))


def draw_below(sheet: Sheet, below: Below, left: float, top: float) -> None:
    """A picture under its map and its lines: bold and red where they are of the map's own class, blue of another."""
    side = picture()
    sheet.axes(left, top, side, side).imshow(np.asarray(enlarged(drawing.read_image(below.image))), interpolation="nearest")
    for n, (line, own) in enumerate(below.lines, 1):
        style = {"color": FOR, "fontweight": "bold"} if own else {"color": AGAINST}
        sheet.text(left + side / 2, top + side + 0.02 + LINE * n, line, ha="center", fontsize=SMALL, **style)


def show(axes: Axes, pixels: NDArray[np.uint8], row: Row) -> None:
    """Pixels with the outline of the object, black beneath a light line, so that it is seen on any ground."""
    axes.imshow(pixels, interpolation="nearest")
    if row.mask is None or row.mask.all() or not row.mask.any():
        return
    high, wide = (np.linspace(-0.5, n - 0.5, m + 1) for n, m in zip(pixels.shape[:2], row.mask.shape, strict=True))
    centres = (wide[:-1] + wide[1:]) / 2, (high[:-1] + high[1:]) / 2
    for colour, line in (("black", 1.1), ("#{:02x}{:02x}{:02x}".format(*drawing.OUTLINE), 0.5)):
        axes.contour(*centres, row.mask.astype(float), levels=[0.5], colors=[colour], linewidths=line)


@dataclass(frozen=True)
class Bar:
    """Colours (256,3) from left to right, the words on either side, the numbers beneath (share of its length, text)."""

    colours: NDArray[np.float64]
    words: tuple[str, str]
    numbers: Sequence[tuple[float, str]]


def colour_bars(rows: Sequence[Row], signs: tuple[str, str], amount: str) -> list[Bar]:
    """The scales of the maps that are shown, as they look over a middle grey."""
    kinds = {panel.kind for row in rows for group in row.groups for panel in group.panels}
    bars = []
    if "signed" in kinds:
        signed = drawing.on_grey(np.linspace(-1, 1, 256), SIGNED)
        bars.append(Bar(signed, signs, [(0.0, "−m"), (0.5, "0"), (1.0, "m")]))
    if "positive" in kinds:
        positive = drawing.on_grey(np.linspace(0, 1, 256), POSITIVE)
        bars.append(Bar(positive, ("", amount), [(0.0, "0"), (1.0, "m")]))
    return bars


def colour_bar(sheet: Sheet, top: float, bar: Bar) -> None:
    """A bar of colours, its upper edge at `top`, what its ends mean beside it, the numbers beneath."""
    long = min(BAR, sheet.width - 2 * WORDS)
    left = (sheet.width - long) / 2
    pixels = bar.colours.round().astype(np.uint8)
    sheet.axes(left, top, long, HIGH).imshow(pixels[None], aspect="auto", interpolation="nearest")
    sheet.text(left - 0.08, top + HIGH, bar.words[0], ha="right", fontsize=SMALL)
    sheet.text(left + long + 0.08, top + HIGH, bar.words[1], ha="left", fontsize=SMALL)
    for share, number in bar.numbers:
        sheet.text(left + long * share, top + HIGH + LINE, number, ha="center", fontsize=SMALL - 0.5)
