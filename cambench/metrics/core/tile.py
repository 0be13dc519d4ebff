"""Accuracy with the object tiled over by its surroundings: as the suite's code does it, and as it means to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from cambench.metrics.accuracy.top_k import top1
from cambench.metrics.asked import Predict
from cambench.metrics.core.gray import GRAY
from cambench.pixels import DEFAULT, Normalisation, to_input, to_pixels

Picture = NDArray[np.float32]
"""(3,H,W)."""
Mask = NDArray[np.bool_]
Span = tuple[int, int]


def measure(
    predict: Predict, image: Tensor, label: Tensor, mask: Tensor, normalisation: Normalisation = DEFAULT
) -> dict[str, Tensor]:
    """1 where the best class is the label although the object is tiled over. Source: suite (ContrastiveCAM protocol §2).

    image (N,3,H,W) normalised, label (N,), mask (N,H,W) bool -> columns `official` and `adjacent` (N,) of 0 and 1.
    Raises: CambenchError for logits that are not finite.
    """
    pixels = to_pixels(image, *normalisation)
    return {
        name: top1(predict, to_input(edited(pixels, mask, edit), *normalisation), label)
        for name, edit in (("official", official), ("adjacent", adjacent))
    }


def edited(pixels: Tensor, mask: Tensor, edit: Callable[[Picture, Mask], Picture]) -> Tensor:
    """An edit of single pictures, on a batch: pixels (N,3,H,W), mask (N,H,W) -> (N,3,H,W) on the same device."""
    pairs = zip(pixels.cpu().numpy(), mask.cpu().numpy(), strict=True)
    return torch.from_numpy(np.stack([edit(picture, m) for picture, m in pairs])).to(pixels)


def components(mask: Mask) -> list[tuple[Span, Span]]:
    """(first row, last row), (first column, last column) of the mask's 4-connected parts, in raster order."""
    labelled, _ = ndimage.label(mask)
    return [((r.start, r.stop - 1), (c.start, c.stop - 1)) for r, c in ndimage.find_objects(labelled)]


def official(picture: Picture, mask: Mask) -> Picture:
    """Tile as the suite's code does it: it takes rows for columns where it looks for a source, and writes the transpose.

    Source: Hard-ImageNet's suite (ContrastiveCAM protocol §2, written from that text). Parts with one row or column are
    left; of the others the last two rows and columns stay. The picture is edited on and on, the mask never.
    picture (3,H,W) in [0,1] -> (3,H,W).
    """
    picture = picture.copy()
    for (x0, last_row), (y0, last_column) in components(mask):
        x1, y1 = last_row - 1, last_column - 1
        if last_row > x0 and last_column > y0:
            rows, columns, from_end = largest_source(mask, (x0, x1), (y0, y1))
            patch = picture[:, rows[0] : rows[1], columns[0] : columns[1]].copy()
            picture[:, x0:x1, y0:y1] = repeated(patch, y1 - y0, x1 - x0, from_end).transpose(0, 2, 1)
    return picture


def largest_source(mask: Mask, x: Span, y: Span) -> tuple[Span, Span, str]:
    """Rows and columns of the largest of four candidates, and what is repeated from its end; ties go to the earlier."""
    (x0, x1), (y0, y1) = x, y
    best: tuple[int, Span, Span, str] = (-1, (0, 0), (0, 0), "")
    for side, rows, columns in (
        ("right", (y0, y1), (x1, 2 * x1 - x0)),
        ("left", (y0, y1), (2 * x0 - x1, x0)),
        ("up", (y1, 2 * y1 - y0), (x0, x1)),
        ("down", (2 * y0 - y1, y1), (x0, x1)),
    ):
        size, rows, columns = trimmed(mask, side, clipped(rows, mask.shape[0]), clipped(columns, mask.shape[1]))
        if size > best[0]:
            best = (size, rows, columns, {"left": "columns", "down": "rows"}.get(side, ""))
    return best[1:]


def clipped(span: Span, size: int) -> Span:
    """A half-open range inside 0 … size; empty where nothing of it is."""
    start, stop = min(max(span[0], 0), size), min(max(span[1], 0), size)
    return start, max(start, stop)


def trimmed(mask: Mask, side: str, rows: Span, columns: Span) -> tuple[int, Span, Span]:
    """The size by which a candidate competes, and what is kept of it, as the suite's code reckons both."""
    inside = mask[slice(*rows), slice(*columns)]
    n_r, n_c = inside.shape
    if not inside.any():
        return n_r * n_c, rows, columns
    sums, length = (inside.sum(0) if side in ("right", "up") else inside.sum(1)), n_c if side in ("right", "left") else n_r
    parts = (sums[: length - k] if side in ("right", "up") else sums[k:] for k in range(length))
    k = next((k for k, part in enumerate(parts) if part.sum() == 0), 0)
    if side == "right":
        return k * n_r, rows, (columns[0], columns[0] + k)
    if side == "left":
        return k * n_r, rows, (columns[0] + k, columns[1])
    if side == "up":
        return k * n_c, (rows[0], rows[0] + k), columns
    return k * n_c, (rows[0] + k, rows[1]), columns


def repeated(patch: Picture, height: int, width: int, from_end: str = "") -> Picture:
    """The patch over and over to (3,height,width), `rows` or `columns` from their end; black without a patch."""
    _, n_r, n_c = patch.shape
    if n_r == 0 or n_c == 0:
        return np.zeros((len(patch), height, width), dtype=patch.dtype)
    rows, columns = np.arange(height), np.arange(width)
    rows = n_r - 1 - (height - 1 - rows) % n_r if from_end == "rows" else rows % n_r
    columns = n_c - 1 - (width - 1 - columns) % n_c if from_end == "columns" else columns % n_c
    return patch[:, rows[:, None], columns[None, :]]


def adjacent(picture: Picture, mask: Mask) -> Picture:
    """Tile as documented: each part's box is filled by repeating its largest neighbour of the box's size, from their edge.

    Source: Hard-ImageNet's documentation (ContrastiveCAM protocol §2). A neighbour ends at the picture's border and at
    the first line with a pixel of the object; ties: right, left, above, below; without a neighbour the box is gray.
    picture (3,H,W) in [0,1] -> (3,H,W).
    """
    picture = picture.copy()
    for (r0, last_row), (c0, last_column) in components(mask):
        r1, c1 = last_row + 1, last_column + 1
        height, width = r1 - r0, c1 - c0
        right = free(mask[r0:r1, c1 : c1 + width])
        left = free(mask[r0:r1, max(0, c0 - width) : c0][:, ::-1])
        above = free(mask[max(0, r0 - height) : r0, c0:c1][::-1].T)
        below = free(mask[r1 : r1 + height, c0:c1].T)
        sizes = [right * height, left * height, above * width, below * width]
        side = int(np.argmax(sizes))
        source = (
            picture[:, r0:r1, c1 : c1 + right],
            picture[:, r0:r1, c0 - left : c0],
            picture[:, r0 - above : r0, c0:c1],
            picture[:, r1 : r1 + below, c0:c1],
        )[side]
        from_end = ("", "columns", "rows", "")[side]
        picture[:, r0:r1, c0:c1] = repeated(source.copy(), height, width, from_end) if max(sizes) else GRAY
    return picture


def free(strip: Mask) -> int:
    """How many columns of a strip there are before the first that the object hits."""
    hit = np.any(strip, axis=0)
    return int(np.argmax(hit)) if np.any(hit) else len(hit)
