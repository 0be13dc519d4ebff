"""ACoL in float64, cell by cell. Source: rivals protocol §3."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float64]


def min_max(scores: Map) -> Map:
    """(f − min f)/(max f − min f) of one map (h,w); a constant one is 0."""
    low, high = scores.min(), scores.max()
    return np.zeros_like(scores) if low == high else (scores - low) / (high - low)


def convolution(x: Map, weight: Map, bias: Map) -> Map:
    """x (K,h,w), weight (L,K,k,k) with an odd k, zeros around the border -> (L,h,w)."""
    reach = weight.shape[2] // 2
    padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach)))
    out = np.zeros((len(weight), *x.shape[1:]))
    for k, i, j in np.ndindex(out.shape):
        window = padded[:, i : i + 2 * reach + 1, j : j + 2 * reach + 1]
        out[k, i, j] = (weight[k] * window).sum() + bias[k]
    return out


def head(features: Map, layers: Sequence[tuple[Map, Map]]) -> Map:
    """Convolutions with a ReLU after each but the last: features (K,h,w) -> class scores (C,h,w)."""
    *inner, last = layers
    for weight, bias in inner:
        features = np.maximum(convolution(features, weight, bias), 0)
    return convolution(features, *last)


def erased(features: Map, scores: Map, threshold: float) -> Map:
    """0 in every channel where the map of the label reaches the threshold: features (K,h,w), scores (h,w)."""
    attention, kept = min_max(scores), features.copy()
    for i, j in np.ndindex(scores.shape):
        if attention[i, j] >= threshold:
            kept[:, i, j] = 0.0
    return kept


def cross_entropy(logits: Map, label: int) -> float:
    """−log softmax(y)_label."""
    top = float(logits.max())
    return math.log(sum(math.exp(v - top) for v in logits)) + top - float(logits[label])


def both(
    features: Map, label: int, threshold: float, a: Sequence[tuple[Map, Map]], b: Sequence[tuple[Map, Map]]
) -> tuple[Map, Map]:
    """f^A and f^B (C,h,w) of one image."""
    first = head(features, a)
    return first, head(erased(features, first[label], threshold), b)


def loss(first: Map, second: Map, label: int) -> float:
    """CE(GAP f^A) + CE(GAP f^B) of one image."""
    return cross_entropy(first.mean((1, 2)), label) + cross_entropy(second.mean((1, 2)), label)


def score_map(first: Map, second: Map, label: int) -> Map:
    """max(minmax f^A_y, minmax f^B_y)."""
    return np.maximum(min_max(first[label]), min_max(second[label]))
