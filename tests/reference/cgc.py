"""The CGC losses and heatmaps from the paper's formulas, in float64, one pixel and one pair at a time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float64]


def bilinear(image: Map, size: tuple[int, int]) -> Map:
    """Half-pixel centres, no antialias, edge pixels repeated."""
    out = np.zeros(size)
    for i in range(size[0]):
        for j in range(size[1]):
            y = min(max((i + 0.5) * image.shape[0] / size[0] - 0.5, 0), image.shape[0] - 1)
            x = min(max((j + 0.5) * image.shape[1] / size[1] - 0.5, 0), image.shape[1] - 1)
            for r, wy in ((math.floor(y), 1 - y % 1), (math.ceil(y), y % 1)):
                for c, wx in ((math.floor(x), 1 - x % 1), (math.ceil(x), x % 1)):
                    out[i, j] += wy * wx * image[r, c]
    return out


def heatmap(raw: Map, size: tuple[int, int]) -> Map:
    """M of CGC protocol §1.1."""
    upsampled = bilinear(np.maximum(raw, 0), size)
    return upsampled / (upsampled.sum() + 1e-8) + 1e-8


def transform(full: Map, box: tuple[int, int, int, int], flip: bool) -> Map:
    """T of CGC protocol §1.2: slice rows and columns of (top, left, height, width), resize back, mirror."""
    top, left, height, width = box
    piece = bilinear(full[top : top + height, left : left + width], full.shape)
    return piece[:, ::-1] if flip else piece


def cgc_losses(a: Map, b: Map, temperature: float, anchor: str) -> list[float]:
    """L_i of CGC protocol §1.3 for one group."""
    a = np.stack([row / np.sqrt((row**2).sum()) for row in a])
    b = np.stack([row / np.sqrt((row**2).sum()) for row in b])
    losses = []
    for i in range(len(a)):
        positive = math.exp(float(a[i] @ b[i]) / temperature)
        if anchor == "printed":
            below = sum(math.exp(float(b[i] @ a[j]) / temperature) for j in range(len(a)))
        else:
            below = positive + sum(math.exp(float(a[i] @ a[j]) / temperature) for j in range(len(a)) if j != i)
        losses.append(-math.log(positive / below))
    return losses


def positive_pair(a: Map, b: Map, variant: str) -> float:
    """CGC protocol §1.5."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        difference = x / np.sqrt((x**2).sum()) - y / np.sqrt((y**2).sum())
        total += (difference**2).mean() if variant == "released" else (difference**2).sum()
    return total / len(a)
