"""Insertion and deletion of CGC protocol §2.3: one image, one step, one forward pass at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import convolve, gaussian_filter
from torch import Tensor

Image = NDArray[np.float64]


def kernel() -> Image:
    """The 11×11 kernel: scipy's Gaussian filter of a delta, default (reflect) boundary."""
    delta = np.zeros((11, 11))
    delta[5, 5] = 1
    return gaussian_filter(delta, sigma=5)


def blur(image: Image) -> Image:
    """Each colour with zeros outside."""
    return np.stack([convolve(colour, kernel(), mode="constant", cval=0.0) for colour in image])


def nothing(kind: str, image: Image, mean: list[float], std: list[float], drawn: Image) -> Image:
    """What is left of an image, pixel by pixel. drawn: pixels of [0,1] for noise."""
    if kind == "blur":
        return blur(image)
    made = np.zeros_like(image)
    pixel = {"black": lambda c, y, x: 0.0, "white": lambda c, y, x: 1.0, "noise": lambda c, y, x: float(drawn[c, y, x])}
    for c, y, x in np.ndindex(*image.shape):
        if kind in pixel:
            made[c, y, x] = (pixel[kind](c, y, x) - mean[c]) / std[c]
        elif kind == "mean":
            made[c, y, x] = sum(image[c].flat) / image[c].size
    return made


def curve(
    predict: Callable[[Tensor], Tensor],
    image: Image,
    heatmap: Image,
    kind: str,
    rows: int = 8,
    start: str = "",
    left: Image | None = None,
) -> list[float]:
    """The probability of the predicted class after every step of so many rows. left: the image of nothing."""
    _, height, width = image.shape
    order = sorted(range(height * width), key=lambda p: heatmap.flat[p])[::-1]
    start = start or {"insertion": "blur", "deletion": "zero"}[kind]
    left = left if left is not None else blur(image) if start == "blur" else np.zeros_like(image)
    now = left.copy() if kind == "insertion" else image.copy()
    goal = image if kind == "insertion" else left
    known = int(predict(torch.from_numpy(image)[None])[0].argmax())
    scores = []
    for k in range(-(-height // rows) + 1):
        for p in order[(k - 1) * rows * width : k * rows * width] if k else []:
            now[:, p // width, p % width] = goal[:, p // width, p % width]
        logits = predict(torch.from_numpy(now)[None])[0].detach().double()
        scores.append(float(torch.exp(logits[known]) / torch.exp(logits).sum()))
    return scores


def auc(scores: list[float]) -> float:
    """Trapezoids, one by one."""
    return sum((scores[k] + scores[k + 1]) / 2 for k in range(len(scores) - 1)) / (len(scores) - 1)
