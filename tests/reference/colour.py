"""Colour changes pixel by pixel in float64, from their definitions; hue by Python's own colorsys.

Images are (H,W,3) in [0,1].
"""

from __future__ import annotations

import colorsys

import numpy as np

Picture = np.ndarray


def grey_value(pixel: np.ndarray) -> float:
    """0.2989·R + 0.587·G + 0.114·B."""
    red, green, blue = (float(v) for v in pixel)
    return 0.2989 * red + 0.587 * green + 0.114 * blue


def towards(pixel: float, other: float, factor: float) -> float:
    """f·pixel + (1 − f)·other, cut off at 0 and 1."""
    return min(1.0, max(0.0, factor * pixel + (1 - factor) * other))


def changed(picture: Picture, change: str, factor: float) -> Picture:
    """The picture after one change."""
    found = np.empty(picture.shape)
    height, width, _ = picture.shape
    mean = sum(grey_value(picture[y, x]) for y in range(height) for x in range(width)) / (height * width)
    for y in range(height):
        for x in range(width):
            pixel = picture[y, x]
            if change == "hue":
                hue, saturation, value = colorsys.rgb_to_hsv(*(float(v) for v in pixel))
                found[y, x] = colorsys.hsv_to_rgb((hue + factor) % 1, saturation, value)
                continue
            other = {"brightness": 0.0, "contrast": mean, "saturation": grey_value(pixel)}
            for c in range(3):
                found[y, x, c] = towards(float(pixel[c]), other[change], factor)
    return found
