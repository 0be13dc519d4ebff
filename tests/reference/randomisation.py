"""Slow twin of what the randomisation metric compares maps by: SSIM window by window."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float64]


def window(reach: int = 5, sigma: float = 1.5) -> Image:
    """An 11×11 Gaussian that sums to 1."""
    made = np.zeros((2 * reach + 1, 2 * reach + 1))
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            made[y + reach, x + reach] = math.exp(-(x * x + y * y) / (2 * sigma**2))
    return made / made.sum()


def ssim(a: Image, b: Image) -> float:
    """Mean over every window that lies within both images, values in 0..1 (Wang et al. 2004, eq. 13)."""
    weights, similarities = window(), []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            p, q = (image[top : top + 11, left : left + 11] for image in (a, b))
            mean_p, mean_q = (weights * p).sum(), (weights * q).sum()
            spread_p, spread_q = (weights * (p - mean_p) ** 2).sum(), (weights * (q - mean_q) ** 2).sum()
            both = (weights * (p - mean_p) * (q - mean_q)).sum()
            light = (2 * mean_p * mean_q + 0.01**2) / (mean_p**2 + mean_q**2 + 0.01**2)
            similarities.append(light * (2 * both + 0.03**2) / (spread_p + spread_q + 0.03**2))
    return sum(similarities) / len(similarities)


def scaled(image: Image) -> Image:
    """To 0..1; an image that is the same everywhere becomes 0."""
    low, high = image.min(), image.max()
    return (image - low) / (high - low) if high > low else image * 0
