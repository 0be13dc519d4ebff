"""SPG's masks and losses in float64, pixel by pixel. Source: rivals protocol §4.2."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from reference.acol import cross_entropy, min_max

Map = NDArray[np.float64]
IGNORED = 255.0


def bilinear(image: Map, size: tuple[int, int]) -> Map:
    """Half-pixel centres, edge pixels repeated: (h,w) -> size."""
    out = np.zeros(size)
    for i, j in np.ndindex(size):
        y, x = (max((k + 0.5) * n / s - 0.5, 0.0) for k, n, s in zip((i, j), image.shape, size, strict=True))
        r, c = int(y), int(x)
        below, right = min(r + 1, image.shape[0] - 1), min(c + 1, image.shape[1] - 1)
        top = (1 - (x - c)) * image[r, c] + (x - c) * image[r, right]
        bottom = (1 - (x - c)) * image[below, c] + (x - c) * image[below, right]
        out[i, j] = (1 - (y - r)) * top + (y - r) * bottom
    return out


def mask(attention: Map, high: float, low: float, least: int = 30) -> Map:
    """255; 1 above h, or above 0.7 of the maximum where too few are; then 0 below l."""
    if sum(m > high for m in attention.flat) < least:
        high = 0.7 * attention.max()
    out = np.full(attention.shape, IGNORED)
    for p in np.ndindex(attention.shape):
        if attention[p] > high:
            out[p] = 1.0
        if attention[p] < low:
            out[p] = 0.0
    return out


def guided_loss(scores: Sequence[Map], masks: Sequence[Map]) -> float:
    """The mean binary cross-entropy of all pixels of the batch that are not ignored; 0 without any."""
    losses = []
    for z, t in ((z, t) for s, m in zip(scores, masks, strict=True) for z, t in zip(s.flat, m.flat, strict=True)):
        if t != IGNORED:
            sure = 1 / (1 + math.exp(-z))
            losses.append(-t * math.log(sure) - (1 - t) * math.log(1 - sure))
    return sum(losses) / len(losses) if losses else 0.0


def sigmoid(scores: Map) -> Map:
    """1/(1 + e^−z)."""
    return 1 / (1 + np.exp(-scores))


def loss(
    maps: Map, labels: Sequence[int], branches: tuple[Map, Map, Map], size: tuple[int, int], thresholds: Sequence[float]
) -> float:
    """The whole loss. maps f (N,C,h,w); branches b1, b2, c (N,h,w); thresholds h1, l1, h2, l2, h3, l3."""
    h1, l1, h2, l2, h3, l3 = thresholds
    b1, b2, c = ([bilinear(one, size) for one in branch] for branch in branches)
    attention = [min_max(bilinear(f[y], size)) for f, y in zip(maps, labels, strict=True)]
    fused = [(sigmoid(one) + sigmoid(two)) / 2 for one, two in zip(b1, b2, strict=True)]
    classified = [cross_entropy(f.mean((1, 2)), y) for f, y in zip(maps, labels, strict=True)]
    return (
        sum(classified) / len(classified)
        + guided_loss(b2, [mask(a, h1, l1) for a in attention])
        + guided_loss(b1, [mask(sigmoid(z), h2, l2) for z in b2])
        + guided_loss(c, [mask(m, h3, l3) for m in fused])
    )
