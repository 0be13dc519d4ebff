"""Images in rows, each beside its heatmap, with a value and a few words beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cambench.report.figures import drawing
from cambench.report.figures.grid import outline
from cambench.report.figures.plots import EDGE, GREY, LINE, SMALL, Sheet, footed, wrapped
from cambench.vocabulary import Box

ACROSS, SIDE, GAP = 4, 1.1, 0.16
"""Images side by side; inches: a picture's side, what parts two images."""
LETTERS = 44
"""Letters that fit beneath an image and its heatmap."""
RIGHT, WRONG = "#1b7a2f", "#b00020"


@dataclass(frozen=True)
class Tile:
    """One image (H,W,3) uint8 with its boxes in its pixels, its raw map (h,w), and what stands beneath.

    predicted: the class that the network says; right: whether it is one of the image's.
    """

    image: NDArray[np.uint8]
    heatmap: NDArray[np.float32]
    boxes: Sequence[Box]
    value: str
    id: str
    label: str
    predicted: str
    right: bool


def mosaic(tiles: Sequence[Tile], notes: Sequence[str] = ()) -> Figure:
    """Each image, beside it the positive part of its map over it, beneath them value, id, class and prediction."""
    across, wide = min(ACROSS, len(tiles)), 2 * SIDE + 0.04
    rows = -(-len(tiles) // across)
    width, tall = max(2 * EDGE + (wide + GAP) * across - GAP, 4.5), SIDE + 4 * LINE + GAP
    foot = footed(notes, width - 2 * EDGE, letters=20, most=9)
    high = 2 * EDGE + tall * rows + LINE * len(foot)
    sheet = Sheet(Figure(figsize=(width, high)), width, high)
    for n, tile in enumerate(tiles):
        draw(sheet, tile, EDGE + (wide + GAP) * (n % across), EDGE + tall * (n // across))
    sheet.foot(foot)
    return sheet.figure


def draw(sheet: Sheet, tile: Tile, left: float, top: float) -> None:
    """One image whose upper left corner is there."""
    picture = drawing.read_image(tile.image)
    bare = sheet.axes(left, top, SIDE, SIDE)
    bare.imshow(picture, interpolation="nearest")
    for box in tile.boxes:
        outline(bare, box, 1.0)
    heat = drawing.overlay(picture, np.maximum(tile.heatmap, 0))
    sheet.axes(left + SIDE + 0.04, top, SIDE, SIDE).imshow(heat, interpolation="nearest")
    short = tile.id if len(tile.id) <= LETTERS else f"…{tile.id[1 - LETTERS :]}"
    answer = f"✓ {tile.predicted}" if tile.right else f"✗ says {tile.predicted}"
    lines: list[tuple[str, dict[str, Any]]] = [
        (tile.value, {"fontsize": SMALL + 1, "fontweight": "bold"}),
        (short, {"fontsize": SMALL - 1.5, "color": GREY}),
        (wrapped(tile.label, LETTERS, 1), {"fontsize": SMALL - 0.5}),
        (wrapped(answer, LETTERS, 1), {"fontsize": SMALL - 0.5, "color": RIGHT if tile.right else WRONG}),
    ]
    for n, (text, style) in enumerate(lines, 1):
        sheet.text(left, top + SIDE + 0.02 + LINE * n, text, ha="left", **style)
