"""From annotated boxes to a mask of pixels, and whether a heatmap lies on it pixel for pixel."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import Literal

import torch
from torch import Tensor

from cambench.vocabulary import Box, BoxConvention, CambenchError, UsageError

Mode = Literal["official", "correct"]


def box_mask(boxes: Sequence[Box], height: int, width: int, convention: BoxConvention, mode: Mode = "official") -> Tensor:
    """The union of the boxes as a mask -> (height, width) bool.

    official: rows ymin−1 : ymax, columns xmin−1 : xmax as a Python slice of the floored numbers, whatever the convention,
    so a negative start wraps: a box that touches coordinate 0 marks nothing. Source: CGC, authors' code.
    correct: the pixels that the convention means, clipped to the image: `inclusive` ymin : ymax+1, `one-based`
    ymin−1 : ymax, `half-open` ymin : ymax.
    boxes: (xmin, ymin, xmax, ymax) in pixels of the height×width image.
    Raises: UsageError for an unknown mode or convention.
    """
    mask = torch.zeros(height, width, dtype=torch.bool)
    for box in boxes:
        xmin, ymin, xmax, ymax = (floor(v) for v in box)
        if mode == "official":
            mask[ymin - 1 : ymax, xmin - 1 : xmax] = True
        elif mode == "correct":
            before, after = edges(convention)
            mask[max(0, ymin + before) : max(0, ymax + after), max(0, xmin + before) : max(0, xmax + after)] = True
        else:
            raise UsageError(f"box mode: expected official or correct, got {mode!r}.")
    return mask


def edges(convention: BoxConvention) -> tuple[int, int]:
    """What to add to min and max to get a 0-based, half-open range."""
    if convention == "inclusive":
        return 0, 1
    if convention == "one-based":
        return -1, 0
    if convention == "half-open":
        return 0, 0
    raise UsageError(f"box convention: expected inclusive, half-open or one-based, got {convention!r}.")


def same_shape(heatmap: Tensor, mask: Tensor, metric: str) -> None:
    """Raises: CambenchError, naming the metric, unless heatmap and mask are both (N,H,W)."""
    if heatmap.shape != mask.shape or heatmap.ndim != 3:
        got = f"{tuple(heatmap.shape)} and {tuple(mask.shape)}"
        raise CambenchError(f"{metric}: expected heatmap and mask of one shape, got {got}.")
