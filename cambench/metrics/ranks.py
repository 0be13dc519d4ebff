"""Ranks: explainers in order image by image, whether they differ, and whether two metrics put them in one order.

Source: Demšar 2006, Statistical comparisons of classifiers over multiple data sets, JMLR 7, whose data sets are images here.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cambench.vocabulary import CambenchError

EQUAL = 1e-5
"""Values of one image that lie closer, by its largest |value|, are equal: other sums of the same float32 numbers."""
LEVEL = 0.05


def ranks(values: NDArray[np.float64], better: Literal["up", "down"]) -> NDArray[np.float64]:
    """r_ij = 1 + #{l: v_il better than v_ij} + ½·#{l ≠ j: v_il equal to v_ij}: 1 is best, equal values share their places.

    Source: Demšar 2006, §3.2.2. Equal are neighbours in order that lie within `EQUAL` of each other, and what they join.
    values (N,k), an image a row, an explainer a column -> (N,k). An image with a NaN, where a value is missing, has NaN for
    ranks. Raises: CambenchError for an infinite value.
    """
    if np.isinf(values).any():
        raise CambenchError("ranks: expected finite values, got an infinite one; measure it again.")
    complete = ~np.isnan(values).any(1)
    shown = values[complete]
    worse = -shown if better == "up" else shown
    order = np.argsort(worse, 1, kind="stable")
    apart = np.diff(np.take_along_axis(worse, order, 1), axis=1) > EQUAL * np.abs(shown).max(1, keepdims=True, initial=0)
    places = np.zeros_like(shown)
    np.put_along_axis(places, order[:, 1:], apart.cumsum(1).astype(np.float64), 1)
    made = np.full_like(values, np.nan)
    made[complete] = stats.rankdata(places, axis=1)
    return made


def friedman(blocks: NDArray[np.float64]) -> tuple[float, float]:
    """χ²_F of Friedman's test that k explainers are alike, and its p with k − 1 degrees of freedom.

    χ²_F = 12N/(k(k+1)) · (Σ_j R_j² − k(k+1)²/4), R_j the mean of the ranks in each row, corrected for ties.
    Source: Friedman 1937; Demšar 2006, §3.2.2. blocks (N,k), k ≥ 3. Where every row is one value, p is 1.
    """
    if (blocks == blocks[:, :1]).all():
        return 0.0, 1.0
    test = stats.friedmanchisquare(*blocks.T)
    return float(test.statistic), float(test.pvalue)


def critical_distance(k: int, n: int, level: float = LEVEL) -> float:
    """CD = q_α·√(k(k+1)/(6N)): mean ranks of k explainers over N rankings that lie farther apart differ, by Nemenyi's test.

    q_α: the quantile of the studentised range of k means, ∞ degrees of freedom, over √2. Source: Demšar 2006, §3.2.2.
    """
    q = stats.studentized_range.ppf(1 - level, k, np.inf) / 2**0.5
    return float(q * (k * (k + 1) / (6 * n)) ** 0.5)


def tau(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kendall's τ_b of each row: Σ s_a·s_b/√(Σ|s_a|·Σ|s_b|), the sums over pairs j < l and s = sign(r_j − r_l).

    Source: Kendall 1945. a, b (N,k), ranks of one image in two metrics -> (N,): 1 where they order the explainers alike, −1
    where in reverse, NaN where one of them tells none apart or has no ranks.
    """
    left, right = np.triu_indices(a.shape[1], 1)
    signs_a, signs_b = (np.sign(ranked[:, left] - ranked[:, right]) for ranked in (a, b))
    ties = np.sqrt(np.abs(signs_a).sum(1) * np.abs(signs_b).sum(1))
    agreement: NDArray[np.float64] = np.full(len(a), np.nan)
    np.divide((signs_a * signs_b).sum(1), ties, out=agreement, where=ties > 0)
    return agreement


def alike(differ: NDArray[np.bool_]) -> list[tuple[int, ...]]:
    """The largest sets in which no two differ, by their first members; two are in one set exactly where they do not differ.

    Source: Bron & Kerbosch 1973, the maximal cliques of a graph. differ (k,k), symmetric.
    """
    k = len(differ)
    near = [{other for other in range(k) if other != i and not differ[i, other]} for i in range(k)]
    sets: list[tuple[int, ...]] = []

    def extend(members: set[int], candidates: set[int], done: set[int]) -> None:
        if not candidates and not done:
            sets.append(tuple(sorted(members)))
        pivot = max(candidates | done, key=lambda i: len(near[i] & candidates), default=None)
        for i in sorted(candidates - (near[pivot] if pivot is not None else set())):
            extend(members | {i}, candidates & near[i], done & near[i])
            candidates, done = candidates - {i}, done | {i}

    extend(set(), set(range(k)), set())
    return sorted(sets)
