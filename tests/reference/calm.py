"""CALM's probabilities and losses location by location, in float64."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def prior(scores: Array, activation: str = "relu") -> Array:
    """p(z|x) of one image's location scores (h,w)."""
    a = np.maximum(scores, 0) if activation == "relu" else np.log1p(np.exp(scores))
    return a / a.sum() if a.sum() > 0 else np.full_like(a, 1 / a.size)


def joint(g: Array, h: Array) -> Array:
    """p(y,z|x) of one image: class scores (C,h,w), p(z|x) (h,w) -> (C,h,w)."""
    out = np.zeros_like(g)
    for i, j in np.ndindex(*h.shape):
        e = [math.exp(s) for s in g[:, i, j]]
        for y in range(len(g)):
            out[y, i, j] = e[y] / sum(e) * h[i, j]
    return out


def ml(g: Array, h: Array, labels: Array) -> float:
    """Eq. 4, mean over the batch."""
    return float(np.mean([-math.log(joint(a, b)[y].sum()) for a, b, y in zip(g, h, labels, strict=True)]))


def em(g: Array, h: Array, labels: Array) -> float:
    """Eq. 6 with the authors' constants, mean over the batch."""
    losses = []
    for a, b, y in zip(g, h, labels, strict=True):
        own, total = joint(a, b)[y], 0.0
        for i, j in np.ndindex(*b.shape):
            q = own[i, j] / (own.sum() + 1e-10)
            log_g = a[y, i, j] - math.log(sum(math.exp(s) for s in a[:, i, j]))
            floor = b[i, j] + 1e-8 if b[i, j] < 1e-8 else b[i, j]
            total -= q * (log_g + math.log(floor))
        losses.append(total)
    return float(np.mean(losses))
