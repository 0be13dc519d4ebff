"""The relative probabilities of one image of weighted-contrast protocol §3, pixel by pixel."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Predict = Callable[[Tensor], Tensor]


def upsample(grid: Tensor, height: int, width: int) -> Tensor:
    """Bilinear with the corners aligned: pixel (i, j) lies at (i·(h−1)/(H−1), j·(w−1)/(W−1)) of the grid."""
    h, w = grid.shape
    out = torch.zeros(height, width, dtype=torch.float64)
    for i in range(height):
        for j in range(width):
            y, x = i * (h - 1) / (height - 1), j * (w - 1) / (width - 1)
            top, left = min(int(y), h - 2), min(int(x), w - 2)
            a, b = y - top, x - left
            corners = grid[top : top + 2, left : left + 2].tolist()
            out[i, j] = (1 - a) * ((1 - b) * corners[0][0] + b * corners[0][1]) + a * (
                (1 - b) * corners[1][0] + b * corners[1][1]
            )
    return out


def mirrored(place: int, side: int) -> int:
    """Reflection without repeating the edge: −1 is 1, side is side − 2."""
    place = abs(place)
    return place if place < side else 2 * (side - 1) - place


def blur(image: Tensor, width: int = 50, sigma: float = 15.0) -> Tensor:
    """A Gaussian of (2·width + 1)² pixels; the width shrinks to side − 1 where an image has too few pixels to reflect."""
    _, high, wide = image.shape
    up, across = min(width, high - 1), min(width, wide - 1)
    out = torch.zeros_like(image)
    total = 0.0
    for dy in range(-up, up + 1):
        for dx in range(-across, across + 1):
            weight = math.exp(-(dy * dy + dx * dx) / (2 * sigma * sigma))
            total += weight
            rows = [mirrored(i + dy, high) for i in range(high)]
            columns = [mirrored(j + dx, wide) for j in range(wide)]
            out += weight * image[:, rows][:, :, columns]
    return out / total


def baselines(image: Tensor) -> dict[str, Tensor]:
    """What replaces pixels."""
    mean = torch.stack([torch.full_like(colour, float(colour.mean())) for colour in image])
    return {"blur": blur(image), "zeros": torch.zeros_like(image), "channel-mean": mean}


def two(predict: Predict, image: Tensor) -> tuple[list[int], bool]:
    """t1 and t2, and whether the image counts."""
    p = torch.softmax(predict(image[None])[0], 0).tolist()
    order = sorted(range(len(p)), key=lambda c: (-p[c], c))
    return order[:2], p[order[1]] > 0.1


def ratio(predict: Predict, image: Tensor, own: int, other: int) -> float:
    """e^own / (e^own + e^other)."""
    y = predict(image[None])[0].tolist()
    return math.exp(y[own]) / (math.exp(y[own]) + math.exp(y[other]))


def replace(image: Tensor, baseline: Tensor, pixels: set[int]) -> Tensor:
    """The image with these pixels, all colours of them, of the baseline."""
    out = image.clone()
    for p in pixels:
        out[:, p // image.shape[2], p % image.shape[2]] = baseline[:, p // image.shape[2], p % image.shape[2]]
    return out


def sign_rule(phi: Tensor) -> dict[str, set[int]]:
    """Which pixels are replaced where one sign is kept."""
    flat = phi.flatten().tolist()
    return {
        "positive": {p for p, v in enumerate(flat) if v < 0},
        "negative": {p for p, v in enumerate(flat) if v > 0},
    }


def equal_rule(phi: Tensor, original: Tensor, weighted: Tensor, kind: str) -> dict[str, set[int]]:
    """The same with as many pixels for both maps."""
    flat = phi.flatten().tolist()
    order = sorted(range(len(flat)), key=lambda p: (flat[p], p))
    above = min(int((original > 0).sum()), int((weighted > 0).sum()))
    below = max(int((original < 0).sum()), int((weighted < 0).sum()))
    if kind == "official":
        return {"positive": set(order[:above]), "negative": set(order[len(order) - max(below - 1, 0) :])}
    return {"positive": set(order[: len(order) - above]), "negative": set(order[below:])}
