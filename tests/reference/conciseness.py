"""Slow twins of average drop and increase, coherency, complexity, ADCC and Gini index: one image, one pixel at a time."""

from __future__ import annotations

import math
from statistics import harmonic_mean

import numpy as np
import torch
from reference.drop_increase import bilinear, softmax


def between_0_and_1(raw: np.ndarray, height: int, width: int) -> np.ndarray:
    """ReLU, bilinear, min-max."""
    positive = bilinear(np.maximum(raw, 0), height, width)
    low, high = positive.min(), positive.max()
    return (positive - low) / (high - low) if high > low else np.zeros_like(positive)


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """The correlation of two maps."""
    pairs = list(zip(a.ravel().tolist(), b.ravel().tolist(), strict=True))
    mean_a, mean_b = (math.fsum(side) / len(pairs) for side in zip(*pairs, strict=True))
    covariance = math.fsum((x - mean_a) * (y - mean_b) for x, y in pairs)
    return covariance / math.sqrt(
        math.fsum((x - mean_a) ** 2 for x, _ in pairs) * math.fsum((y - mean_b) ** 2 for _, y in pairs)
    )


def adcc(predict, explain, image: np.ndarray) -> dict[str, float]:
    """Everything of one image (3,H,W). explain: image, class -> raw map."""
    before = softmax(predict(torch.from_numpy(image[None]))[0].numpy())
    best = max(range(len(before)), key=lambda c: before[c])

    def heat(x: np.ndarray) -> np.ndarray:
        return between_0_and_1(explain(torch.from_numpy(x[None]), torch.tensor([best]))[0].numpy(), *image.shape[1:])

    heatmap, shown = heat(image), np.zeros_like(image)
    for c, y, x in np.ndindex(image.shape):
        shown[c, y, x] = image[c, y, x] * heatmap[y, x]
    after = softmax(predict(torch.from_numpy(shown[None]))[0].numpy())[best]
    drop = max(0.0, before[best] - after) / before[best]
    coherency = (1 + pearson(heatmap, heat(shown))) / 2
    complexity = sum(heatmap.ravel().tolist()) / heatmap.size
    return {
        "": harmonic_mean([coherency, 1 - complexity, 1 - drop]),
        "average-drop": drop,
        "average-increase": float(after > before[best]),
        "coherency": coherency,
        "complexity": complexity,
    }


def gini(heatmap: np.ndarray) -> float:
    """Half the mean difference of two values by their mean."""
    values = np.abs(heatmap).ravel().tolist()
    return sum(abs(a - b) for a in values for b in values) / (2 * len(values) * sum(values))
