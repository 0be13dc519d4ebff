"""Hide-and-Seek, attention-based dropout and CutMix, pixel by pixel in float64. Source: rivals protocol §6."""

from __future__ import annotations

import math

import numpy as np


def hide(image: np.ndarray, cell: int, rate: float, drawn: np.ndarray) -> np.ndarray:
    """image (N,3,H,W); drawn (N,rows,columns) uniform: a pixel is 0 where its cell's number is below the rate."""
    hidden = image.copy()
    for n, y, x in np.ndindex(image.shape[0], image.shape[2], image.shape[3]):
        if drawn[n, y // cell, x // cell] < rate:
            hidden[n, :, y, x] = 0.0
    return hidden


def attention_dropout(features: np.ndarray, dropped: bool, threshold: float) -> np.ndarray:
    """features (N,K,h,w): the mean over channels, its maximum over places, then the mask or the sigmoid, place by place."""
    out = np.empty_like(features)
    for n in range(len(features)):
        places = list(np.ndindex(features.shape[2:]))
        attention = {
            p: sum(features[n, k, p[0], p[1]] for k in range(features.shape[1])) / features.shape[1] for p in places
        }
        most = max(attention.values())
        for p in places:
            factor = float(attention[p] < threshold * most) if dropped else 1 / (1 + math.exp(-attention[p]))
            out[n, :, p[0], p[1]] = features[n, :, p[0], p[1]] * factor
    return out


def mixed_loss(logits: np.ndarray, first: np.ndarray, second: np.ndarray, kept: float) -> float:
    """λ·CE(y) + (1 − λ)·CE(y'), the mean over the batch."""
    total = 0.0
    for row, a, b in zip(logits, first, second, strict=True):
        log_sum = math.log(sum(math.exp(v - row.max()) for v in row)) + row.max()
        total += kept * (log_sum - row[a]) + (1 - kept) * (log_sum - row[b])
    return total / len(logits)


def rectangle(size: int, kept: float, centre: int) -> list[int]:
    """The rows (or columns) of CutMix's rectangle: a side of int(n·√(1 − λ)), its half rounded down on either hand."""
    side = int(size * math.sqrt(1 - kept))
    return [i for i in range(size) if centre - side // 2 <= i < centre + side // 2]
