"""The qualitative figure: images across, beneath each one its heatmap under every method, as the paper's Figures 3 to 7."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from cambench.report.figures import drawing
from cambench.report.figures.plots import LINE, PLAIN, SMALL, Sheet, footed, without_common, wrapped
from cambench.report.formats.html import GalleryRow
from cambench.vocabulary import Box, CambenchError

SIDE = 320
"""Pixels of the longer side of a picture in the figure."""
CELL, NAMES, WORDS = 1.35, 0.4, 0.16
"""Inches: a picture, the column of method names at least, what a network says wrongly."""
LETTERS = 18
"""Letters of a method's name that fit beside a picture."""
SCALE = "Positive part of each map, resized bilinearly, on a colour scale of its own from 0 to its maximum"
BOXES = "outlines are the annotated boxes"


def grid(rows: Sequence[GalleryRow], notes: Sequence[str] = ()) -> Figure:
    """One column an image: its class, the picture, then one heatmap a label; a wrong prediction stands beneath its map.

    Maps are shown without their negative part, as the metrics and the paper's figures look at them.
    notes: sentences at the foot (what is synthetic, what deviates).
    Raises: CambenchError without images or without maps.
    """
    labels = list(dict.fromkeys(label for row in rows for label in row.maps))
    if not labels:
        raise CambenchError("qualitative figure: expected images with heatmaps, got none.")
    short, shared = without_common(labels)
    foot = [*notes, f"{sentence(shared, rows)}."]
    names = {label: named(words) for label, words in [("", "image"), *short.items()]}
    side = max(NAMES, LINE * (1 + max(name.count("\n") for name in names.values())) + 0.12)
    width = side + 0.35 + CELL * len(rows)
    lines = footed(foot, width, letters=20, most=9)
    titles = [wrapped(row.name, 22) for row in rows]
    head, low = (LINE * n + 0.1 for n in (1 + max(title.count("\n") for title in titles), len(lines)))
    high = head + (CELL + WORDS) * (1 + len(labels)) + low
    sheet = Sheet(Figure(figsize=(width, high)), width, high)
    for c, row in enumerate(rows):
        picture = enlarged(drawing.read_image(row.image))
        for r, label in enumerate(["", *labels]):
            axes = sheet.axes(side + CELL * c, head + (CELL + WORDS) * r, CELL - 0.08, CELL)
            axes.set_axis_on()
            shown = picture if not label else None
            if label in row.maps:
                shown = drawing.overlay(picture, np.maximum(row.maps[label], 0))
            draw(axes, shown, row, picture.width)
            if label in row.wrong:
                axes.set_xlabel(
                    wrapped(f"says {row.wrong[label]}", 26, 1), fontsize=SMALL - 1, color="#b00020", labelpad=1.5, **PLAIN
                )
            if c == 0:
                axes.set_ylabel(names[label], fontsize=SMALL + 1, **PLAIN)
            if r == 0:
                axes.set_title(titles[c], fontsize=SMALL, pad=3, **PLAIN)
    sheet.foot(lines)
    return sheet.figure


def named(label: str) -> str:
    """A method's name in lines; a target's argument may begin one."""
    return wrapped(label.replace(":", ": "), LETTERS)


def draw(axes: Axes, shown: Image.Image | None, row: GalleryRow, width: int) -> None:
    """A picture with its boxes; a dash where there is none."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if shown is None:
        axes.text(0.5, 0.5, "—", ha="center", va="center", transform=axes.transAxes)
        return
    axes.imshow(shown, interpolation="nearest")
    factor = width / drawing.read_image(row.image).width
    for box in row.boxes:
        outline(axes, box, factor)


def outline(axes: Axes, box: Box, factor: float) -> None:
    """One box; the coordinates of a picture begin half a pixel before its first pixel."""
    x0, y0, x1, y1 = (factor * edge - 0.5 for edge in box)
    colour = "#{:02x}{:02x}{:02x}".format(*drawing.OUTLINE)
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=0.8, clip_on=False))


def enlarged(image: Image.Image) -> Image.Image:
    """The picture with its longer side at SIDE pixels, so that a map over it is smooth."""
    factor = SIDE / max(image.size)
    width, height = (max(1, round(s * factor)) for s in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def sentence(shared: str, rows: Sequence[GalleryRow]) -> str:
    """What a reader must know of the maps."""
    text = "; ".join([SCALE, *([BOXES] if any(row.boxes for row in rows) else [])])
    return f"{shared}. {text}" if shared else text


def listed(rows: Sequence[GalleryRow]) -> list[dict[str, Any]]:
    """What the figure shows, for a machine."""
    return [{"image": row.name, "maps": list(row.maps), "wrong": dict(row.wrong)} for row in rows]
