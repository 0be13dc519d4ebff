"""Slow twin of drop and increase: one image, one pixel, one threshold at a time, exact fractions for the counts."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import torch


def softmax(logits: np.ndarray) -> np.ndarray:
    """(C,) -> (C,)."""
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def bilinear(small: np.ndarray, height: int, width: int) -> np.ndarray:
    """Half-pixel centres, edges repeated: (h,w) -> (height,width)."""

    def along(n: int, size: int, i: int) -> tuple[int, int, float]:
        at = max((i + 0.5) * n / size - 0.5, 0.0)
        low = min(math.floor(at), n - 1)
        return low, min(low + 1, n - 1), at - low

    out = np.empty((height, width))
    for y in range(height):
        for x in range(width):
            (y0, y1, b), (x0, x1, a) = along(small.shape[0], height, y), along(small.shape[1], width, x)
            top, bottom = (small[r, x0] * (1 - a) + small[r, x1] * a for r in (y0, y1))
            out[y, x] = top * (1 - b) + bottom * b
    return out


def drop_increase(predict, explain, images: np.ndarray) -> list[dict[str, float]]:
    """One dictionary an image."""
    found = []
    for image in images:
        p = softmax(predict(torch.from_numpy(image[None]))[0].numpy())
        best = max(range(len(p)), key=lambda c: p[c])
        raw = explain(torch.from_numpy(image[None]), torch.tensor([best]))[0].numpy()
        heat = bilinear(raw, *image.shape[1:])
        order = sorted(range(heat.size), key=lambda i: (-heat.flat[i], i))
        rows = {}
        for kept in ("0.15", "0.30", "0.45"):
            masked = np.zeros_like(image)
            for i in order[: math.floor(Fraction(kept) * heat.size)]:
                y, x = divmod(i, heat.shape[1])
                masked[:, y, x] = image[:, y, x]
            q = softmax(predict(torch.from_numpy(masked[None]))[0].numpy())[best]
            rows[f"{kept}/drop-percent"] = float(p[best] > q)
            rows[f"{kept}/drop-mag"] = max(0.0, p[best] - q) / p[best]
            rows[f"{kept}/increase-percent"] = float(q > p[best])
            rows[f"{kept}/increase-mag"] = max(0.0, q - p[best]) / p[best]
        found.append(rows)
    return found
