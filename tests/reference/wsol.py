"""The WSOL benchmark's resizing of maps and masks, in float64, one pixel at a time. Source: CALM protocol §2.5, §2.6."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float64]
Mask = NDArray[np.uint8]


def cubic(distance: float, a: float = -0.75) -> float:
    """Keys' kernel with OpenCV's a."""
    t = abs(distance)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def bicubic(image: Map, size: tuple[int, int]) -> Map:
    """Half-pixel centres, no antialias, edge pixels repeated."""
    out = np.zeros(size)
    for i in range(size[0]):
        for j in range(size[1]):
            y, x = (i + 0.5) * image.shape[0] / size[0] - 0.5, (j + 0.5) * image.shape[1] / size[1] - 0.5
            for r in range(math.floor(y) - 1, math.floor(y) + 3):
                for c in range(math.floor(x) - 1, math.floor(x) + 3):
                    value = image[min(max(r, 0), image.shape[0] - 1), min(max(c, 0), image.shape[1] - 1)]
                    out[i, j] += cubic(y - r) * cubic(x - c) * value
    return out


def nearest(mask: Mask, size: tuple[int, int]) -> Mask:
    """Pixel x shows the source's floor(x · (1 / (size / n))), n the source's side."""
    out = np.zeros(size, mask.dtype)
    for y in range(size[0]):
        for x in range(size[1]):
            r, c = (int(k * (1 / (s / n))) for k, s, n in zip((y, x), size, mask.shape, strict=True))
            out[y, x] = mask[min(r, mask.shape[0] - 1), min(c, mask.shape[1] - 1)]
    return out


def regions(masks: Sequence[Mask], ignore: Mask, size: tuple[int, int], label: int) -> NDArray[np.int64]:
    """The label where any instance is, −2 where the ignore mask is and no instance, −1 elsewhere."""
    out = np.full(size, -1, np.int64)
    foreground = np.zeros(size, bool)
    for mask in masks:
        foreground |= nearest(mask, size) > 0.5
    out[(nearest(ignore, size) > 0.5) & ~foreground] = -2
    out[foreground] = label
    return out
