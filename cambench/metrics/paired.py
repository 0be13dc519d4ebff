"""Two networks on the same images: difference of means and its interval, a test of it, and the correction for many tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from cambench.metrics import bootstrap
from cambench.vocabulary import CambenchError

EXACT = 50
"""Differences up to which the test is exact (where no two of them are equally large)."""


@dataclass(frozen=True)
class Paired:
    """a, b: means. difference: a − b with its 95 % interval, None of one image. higher, lower, equal: images on which a is
    above b, …

    p: two-sided Wilcoxon signed-rank test.
    """

    n: int
    a: float
    b: float
    difference: float
    interval: tuple[float, float] | None
    higher: int
    lower: int
    equal: int
    p: float


def compare(a: Tensor, b: Tensor, generator: torch.Generator) -> Paired:
    """Two networks' per-image rows (N,) and (N,), the same images in the same order, in one unit.

    Interval: percentile bootstrap of d̄, d = a − b, which draws images and takes both values of each (Efron & Tibshirani
    1993, §8.3). Raises: CambenchError for rows of different lengths, without rows, or for rows that are not finite.
    """
    if a.shape != b.shape:
        raise CambenchError(f"paired rows: expected the same images, got {len(a)} and {len(b)} rows.")
    a, b = bootstrap.check_rows(a), bootstrap.check_rows(b)
    difference = a - b
    return Paired(
        n=len(a),
        a=float(a.mean()),
        b=float(b.mean()),
        difference=float(difference.mean()),
        interval=bootstrap.interval(difference, generator),
        higher=int((difference > 0).sum()),
        lower=int((difference < 0).sum()),
        equal=int((difference == 0).sum()),
        p=wilcoxon(difference.numpy()),
    )


def over_seeds(differences: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Mean d̄ of the differences of networks of equal seeds, and its 95 % interval d̄ ± t·s/√n.

    Student's t with n − 1 degrees of freedom, s with ddof 1: it speaks of the methods, where the interval over images speaks
    of two networks. Raises: CambenchError for fewer than two seeds.
    """
    n = len(differences)
    if n < 2:
        raise CambenchError(f"interval over seeds: expected at least 2, got {n}.")
    mean = float(np.mean(differences))
    half = float(stats.t.ppf(0.975, n - 1) * np.std(differences, ddof=1) / n**0.5)
    return mean, (mean - half, mean + half)


def wilcoxon(differences: NDArray[np.float64]) -> float:
    """Two-sided p of the signed-rank test; differences of zero are left out, and without any other p is 1.

    Source: Wilcoxon 1945. Exact for up to 50 differences of which no two are equally large, else the normal approximation
    with its correction for ties and none for continuity.
    """
    others = differences[differences != 0]
    if not len(others):
        return 1.0
    ranks: NDArray[np.float64] = stats.rankdata(np.abs(others))
    _, ties = np.unique(ranks, return_counts=True)
    n = len(others)
    if n == len(ties) and n <= EXACT:
        return float(stats.wilcoxon(others, method="exact").pvalue)
    variance = n * (n + 1) * (2 * n + 1) / 24 - (ties**3.0 - ties).sum() / 48
    z = (ranks[others > 0].sum() - n * (n + 1) / 4) / variance**0.5
    return float(2 * stats.norm.sf(abs(z)))


def holm(p: Sequence[float]) -> list[float]:
    """p values corrected for m tests: sorted upwards, p̃_k = max over j ≤ k of min(1, (m − j + 1)·p_j). Source: Holm 1979."""
    corrected = [0.0] * len(p)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[index]))
        corrected[index] = largest
    return corrected
