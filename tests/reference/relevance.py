"""Slow twins of relevance mass and rank accuracy: one pixel at a time, every order of equal pixels by itself."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations

import numpy as np


def mass(heatmap: np.ndarray, objects: np.ndarray, ignored: np.ndarray) -> float:
    """The relevance of the object's pixels by that of all that are not ignored."""
    pixels = [p for p in np.ndindex(heatmap.shape) if not ignored[p]]
    return sum(heatmap[p] for p in pixels if objects[p]) / sum(heatmap[p] for p in pixels)


def rank(heatmap: np.ndarray, objects: np.ndarray, ignored: np.ndarray) -> float:
    """The share of the object among as many highest pixels as it has, of values that are all different."""
    pixels = [p for p in np.ndindex(heatmap.shape) if not ignored[p]]
    return in_order(sorted(pixels, key=lambda p: -heatmap[p]), objects)


def rank_of_ties(heatmap: np.ndarray, objects: np.ndarray) -> float:
    """The mean over every order of the pixels in which none stands before a higher one."""
    orders = permutations(np.ndindex(heatmap.shape))
    falling = [o for o in orders if all(heatmap[a] >= heatmap[b] for a, b in zip(o, o[1:], strict=False))]
    return sum(in_order(order, objects) for order in falling) / len(falling)


def in_order(order: Iterable[tuple[int, ...]], objects: np.ndarray) -> float:
    count = int(objects.sum())
    return sum(bool(objects[p]) for p in list(order)[:count]) / count
