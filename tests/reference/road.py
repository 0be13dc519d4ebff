"""Slow twin of ROAD: the linear system of one image written out, equation by equation, and solved by elimination."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float64]
WEIGHTS = {(dy, dx): 1 / 6 if dy == 0 or dx == 0 else 1 / 12 for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)}


def imputed(image: Image, removed: NDArray[np.bool_]) -> Image:
    """image (3,H,W), removed (H,W): each removed pixel is the weighted mean of its neighbours within the image."""
    _, height, width = image.shape
    unknown = [(y, x) for y in range(height) for x in range(width) if removed[y, x]]
    number = {pixel: i for i, pixel in enumerate(unknown)}
    matrix, right = np.zeros((len(unknown), len(unknown))), np.zeros((len(unknown), len(image)))
    for (y, x), i in number.items():
        for (dy, dx), weight in WEIGHTS.items():
            other = (y + dy, x + dx)
            if not (0 <= other[0] < height and 0 <= other[1] < width):
                continue
            matrix[i, i] += weight
            if other in number:
                matrix[i, number[other]] -= weight
            else:
                right[i] += weight * image[:, other[0], other[1]]
    made = image.copy()
    if unknown:
        for (y, x), colours in zip(unknown, np.linalg.solve(matrix, right), strict=True):
            made[:, y, x] = colours
    return made


def removed(heat: Image, percent: float, order: str) -> NDArray[np.bool_]:
    """The pixels of the largest values, of equal ones the first; of least relevant first, what comes last in that order."""
    pixels = sorted(range(heat.size), key=lambda p: (-heat.flat[p], p))
    count = int(percent * heat.size // 100)
    chosen = pixels[:count] if order == "morf" else pixels[len(pixels) - count :]
    mask = np.zeros(heat.size, dtype=bool)
    for p in chosen:
        mask[p] = True
    return mask.reshape(heat.shape)
