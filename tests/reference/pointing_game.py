"""Slow twin of the pointing game: the distance of every highest pixel to every pixel of the mask."""

from __future__ import annotations

import math

import numpy as np


def pointing_game(heatmap: np.ndarray, mask: np.ndarray, tolerance: float) -> float:
    """(H,W) twice -> the share of the highest pixels that hit."""
    highest = [p for p in np.ndindex(heatmap.shape) if heatmap[p] == heatmap.max()]
    objects = [q for q in np.ndindex(mask.shape) if mask[q]]
    return sum(any(math.dist(p, q) <= tolerance for q in objects) for p in highest) / len(highest)
