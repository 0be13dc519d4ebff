"""Slow twin of remove-and-classify: pixels one by one, a blur by the weighted mean of each neighbourhood."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import torch


def blur(image: np.ndarray) -> np.ndarray:
    """(3,H,W) -> the 31×31 Gaussian mean, σ = 15, at every pixel; the edge pixel is not repeated."""
    line = np.array([math.exp(-(i**2) / (2 * 15**2)) for i in range(-15, 16)])
    weights = np.outer(line, line) / np.outer(line, line).sum()
    padded = np.pad(image, ((0, 0), (15, 15), (15, 15)), mode="reflect")
    out = np.empty_like(image)
    for c in range(3):
        for y in range(image.shape[1]):
            for x in range(image.shape[2]):
                out[c, y, x] = (padded[c, y : y + 31, x : x + 31] * weights).sum()
    return out


def erased(image: np.ndarray, filled: np.ndarray, pixels: list[int]) -> np.ndarray:
    """The image with the listed pixels taken from `filled`."""
    out = image.copy()
    for p in pixels:
        out[:, p // image.shape[2], p % image.shape[2]] = filled[:, p // image.shape[2], p % image.shape[2]]
    return out


def relative_accuracies(predict, images, heatmaps, labels, generators, fill: str) -> dict[str, float]:
    """R_k of each k."""
    hits: dict[str, list[bool]] = {}
    for image, heatmap, label, generator in zip(images, heatmaps, labels, generators, strict=True):
        filled = blur(image) if fill == "blur" else np.zeros_like(image)
        for c in range(3) if fill == "mean" else ():
            filled[c] = sum(float(v) for v in image[c].flat) / image[c].size
        order = sorted(range(heatmap.size), key=lambda p: (-heatmap.flat[p], p))
        for k in (10, 30, 50, 70, 90):
            n = math.floor(Fraction(k, 100) * heatmap.size)
            rank = torch.randperm(heatmap.size, generator=generator).tolist()
            chosen = {f"{k}": order[:n], f"{k}-random": [p for p in range(heatmap.size) if rank[p] < n]}
            for name, pixels in chosen.items():
                logits = predict(torch.from_numpy(erased(image, filled, pixels))[None])[0]
                hits.setdefault(name, []).append(int(logits.argmax()) == label)
    share = {name: sum(found) / len(found) for name, found in hits.items()}
    return {k: share[k] / share[f"{k}-random"] for k in ("10", "30", "50", "70", "90") if share[f"{k}-random"]}
