"""Slow twin of `embedding-distance`: one pair of vectors, one coordinate at a time (ExCon protocol §2.4)."""

from __future__ import annotations

import math
from collections.abc import Sequence


def distance(a: Sequence[float], b: Sequence[float]) -> float:
    """Euclidean."""
    return math.sqrt(math.fsum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def relative(
    original: Sequence[Sequence[float]], masked: Sequence[Sequence[float]], labels: Sequence[int]
) -> tuple[list[float], list[float]]:
    """Each image's distance to its own mask and to its class's centroid, by the mean distance of two centroids."""
    centroids = {}
    for label in sorted(set(labels)):
        members = [row for row, its in zip(original, labels, strict=True) if its == label]
        centroids[label] = [math.fsum(column) / len(members) for column in zip(*members, strict=True)]
    means = list(centroids.values())
    every = [distance(a, b) for i, a in enumerate(means) for b in means[i + 1 :]]
    apart = math.fsum(every) / len(every)
    own_mask = [distance(a, b) / apart for a, b in zip(original, masked, strict=True)]
    return own_mask, [distance(a, centroids[label]) / apart for a, label in zip(original, labels, strict=True)]
