"""Slow twin of `closeness`: one pair of vectors, one coordinate at a time (ExCon protocol §2.4)."""

from __future__ import annotations

import math
from collections.abc import Sequence


def distance(a: Sequence[float], b: Sequence[float]) -> float:
    """Euclidean."""
    return math.sqrt(math.fsum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def closeness(
    original: Sequence[Sequence[float]], masked: Sequence[Sequence[float]], labels: Sequence[int]
) -> tuple[float, float, float]:
    """Mean distance of an image to its own mask, mean distance between two classes' centroids, their ratio."""
    own = [distance(a, b) for a, b in zip(original, masked, strict=True)]
    centroids = []
    for label in sorted(set(labels)):
        members = [row for row, its in zip(original, labels, strict=True) if its == label]
        centroids.append([math.fsum(column) / len(members) for column in zip(*members, strict=True)])
    apart = [distance(a, b) for i, a in enumerate(centroids) for b in centroids[i + 1 :]]
    within, between = math.fsum(own) / len(own), math.fsum(apart) / len(apart)
    return within, between, within / between
