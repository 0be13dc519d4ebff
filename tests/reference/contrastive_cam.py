"""The metrics of ContrastiveCAM protocol §1.6, §2 and §3: loops over images, classes and cells."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def grid_mask(mask: Array, h: int, w: int) -> Array:
    """1 where a cell holds any pixel of the mask; cells as adaptive pooling cuts them."""
    rows, columns = mask.shape
    out = np.zeros((h, w))
    for i in range(h):
        for j in range(w):
            r = range(i * rows // h, math.ceil((i + 1) * rows / h))
            c = range(j * columns // w, math.ceil((j + 1) * columns / w))
            out[i, j] = any(mask[a, b] for a in r for b in c)
    return out


def redundancy(maps: Array, label: int, core: Array, over: str = "mean", sign: str = "cells") -> dict[str, float]:
    """Of one image: maps (C,h,w), core (h,w)."""
    classes = len(maps)
    others = [c for c in range(classes) if c != label]
    if over in ("mean", "sum"):
        weighed = [maps[label] - maps[c] for c in others]
    else:
        weighed = [maps[label] - sum(maps) / classes] if over == "reconstructed" else [maps[label]]
    found = dict.fromkeys(("core", "non-core", "core-signed", "non-core-signed"), 0.0)
    for d in weighed:
        for name, region in (("core", core), ("non-core", 1 - core)):
            cells = [float(d[p]) for p in np.ndindex(core.shape) if region[p]]
            worth = {"cells": sum(map(abs, cells)), "region": abs(sum(cells)), "signed": sum(cells)}
            share = 1 if over == "sum" else 1 / len(weighed)
            found[name] += share * worth[sign]
            found[f"{name}-signed"] += share * sum(cells)
    shared = -sum(maps) / classes
    found["gamma"] = math.sqrt((shared**2).sum()) / math.sqrt((maps[label] ** 2).sum())
    return found


def reconstructed(maps: Array, label: int) -> Array:
    """The mean over all C of the contrastive maps, the zero one too."""
    return sum(maps[label] - maps[c] for c in range(len(maps))) / len(maps)


def region(values: Array, rule: str) -> Array:
    """The predicted region of one map."""
    clamped = np.maximum(values, 0)
    if clamped.max() <= 0 or values.max() == values.min():
        return np.zeros(values.shape, dtype=bool)
    if rule == "sign":
        return values > 0
    if rule == "otsu":
        return clamped > otsu_threshold(clamped.ravel())
    return clamped / clamped.max() >= float(rule)


def otsu_threshold(values: Array) -> float:
    """The value t for which the groups ≤ t and > t have the least variance inside them."""
    best = (math.inf, 0.0)
    for t in sorted(set(values.tolist()))[:-1]:
        inside = sum(len(g) * np.var(g) for g in (values[values <= t], values[values > t]))
        if inside < best[0] - 1e-12:
            best = (inside, t)
    return best[1]


def iou(one: Array, other: Array) -> float:
    """Cell by cell."""
    both = sum(bool(one[p] and other[p]) for p in np.ndindex(one.shape))
    return both / sum(bool(one[p] or other[p]) for p in np.ndindex(one.shape))


def dice(one: Array, other: Array) -> float:
    """Cell by cell."""
    both = sum(bool(one[p] and other[p]) for p in np.ndindex(one.shape))
    return 2 * both / sum(int(one[p]) + int(other[p]) for p in np.ndindex(one.shape))


def average_precision(scores: list[float], truths: list[bool]) -> float:
    """One class: a threshold at each score, from the highest down."""
    total, before, ap = sum(truths), 0.0, 0.0
    for t in sorted(set(scores), reverse=True):
        hits = sum(y for s, y in zip(scores, truths, strict=True) if s >= t)
        recall, precision = hits / total, hits / sum(s >= t for s in scores)
        ap += (recall - before) * precision
        before = recall
    return ap


def rfs(fg: Array, bg: Array, label: Array) -> float:
    """fg, bg (trials, N) of 0 and 1."""
    of_class = [[hits[:, label == c].mean() for c in np.unique(label)] for hits in (fg, bg)]
    a_fg, a_bg = (sum(a) / len(a) for a in of_class)
    a = (a_fg + a_bg) / 2
    return 0.0 if a in (0, 1) else (a_bg - a_fg) / (2 * min(a, 1 - a))


def noisy_copies(pixels: Array, mask: Array, noise: Array, norm: str, level: float) -> tuple[Array, Array]:
    """Of one image: pixels, noise (3,H,W), mask (H,W) -> the copy with noise on the object and the one around it."""
    copies = []
    for side in (True, False):
        there = [p for p in np.ndindex(noise.shape) if bool(mask[p[1:]]) == side]
        length = math.sqrt(sum(noise[p] ** 2 for p in there)) if norm == "l2" else 1.0
        copy = pixels.copy()
        for p in there:
            copy[p] = min(max(pixels[p] + level * noise[p] / length, 0.0), 1.0)
        copies.append(copy)
    return copies[0], copies[1]
