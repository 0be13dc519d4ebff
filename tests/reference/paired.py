"""Slow twins of the paired statistics: by enumeration and by the definitions, in float64 and plain Python."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch


def ranks(values: Sequence[float]) -> list[float]:
    """Mid-ranks, counted pair by pair."""
    return [sum(v < x for v in values) + (sum(v == x for v in values) + 1) / 2 for x in values]


def exact_p(differences: Sequence[float]) -> float:
    """Two-sided p of the signed-rank sum over all 2^n signs of the differences that are not zero."""
    others = [d for d in differences if d != 0]
    rank = ranks([abs(d) for d in others])
    observed = sum(r for r, d in zip(rank, others, strict=True) if d > 0)
    sums = [sum(r for r, s in zip(rank, signs, strict=True) if s) for signs in itertools.product((0, 1), repeat=len(others))]
    below = sum(s <= observed for s in sums) / len(sums)
    above = sum(s >= observed for s in sums) / len(sums)
    return min(1.0, 2 * min(below, above))


def normal_p(differences: Sequence[float]) -> float:
    """The same by the normal approximation; the variance of Σ r·s for fair signs s is Σ r²/4."""
    others = [d for d in differences if d != 0]
    rank = ranks([abs(d) for d in others])
    observed = sum(r for r, d in zip(rank, others, strict=True) if d > 0)
    z = (observed - sum(rank) / 2) / math.sqrt(sum(r * r for r in rank) / 4)
    return math.erfc(abs(z) / math.sqrt(2))


def holm(p: Sequence[float], level: float) -> list[bool]:
    """Which tests Holm's step-down procedure rejects at a level."""
    rejected = [False] * len(p)
    for step, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[index] > level / (len(p) - step):
            break
        rejected[index] = True
    return rejected


def bootstrap(a: Sequence[float], b: Sequence[float], generator: torch.Generator, draws: int) -> list[float]:
    """Difference of the means of `draws` resamples of images, both values of an image drawn together; sorted."""
    n = len(a)
    means = []
    for row in torch.randint(n, (draws, n), generator=generator).tolist():
        means.append(sum(a[i] for i in row) / n - sum(b[i] for i in row) / n)
    return sorted(means)
