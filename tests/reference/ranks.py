"""Slow twins of ranks: counted pair by pair, in float64 and plain Python. Source: Demšar 2006, §3.2.2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations


def ranks(values: Sequence[float], better: str) -> list[float]:
    """1 + how many are better + half of how many others are equal."""
    sign = 1 if better == "up" else -1
    return [1 + sum(sign * w > sign * v for w in values) + (sum(w == v for w in values) - 1) / 2 for v in values]


def friedman(blocks: Sequence[Sequence[float]]) -> float:
    """χ²_F = 12N/(k(k+1)) · (Σ_j R_j² − k(k+1)²/4), by 1 − Σ (t³ − t)/(N(k³ − k)) where t values of a row are equal."""
    n, k = len(blocks), len(blocks[0])
    ranked = [ranks(row, "down") for row in blocks]
    means = [sum(row[j] for row in ranked) / n for j in range(k)]
    chi2 = 12 * n / (k * (k + 1)) * (sum(r * r for r in means) - k * (k + 1) ** 2 / 4)
    ties = sum(row.count(v) ** 3 - row.count(v) for row in map(list, blocks) for v in set(row))
    return chi2 / (1 - ties / (n * (k**3 - k)))


def tau(a: Sequence[float], b: Sequence[float]) -> float:
    """τ_b = (C − D)/√((C + D + T_a)(C + D + T_b)): concordant, discordant pairs, pairs tied in one alone."""
    concordant = discordant = only_a = only_b = 0
    for i, j in combinations(range(len(a)), 2):
        if a[i] == a[j] and b[i] == b[j]:
            continue
        if a[i] == a[j]:
            only_a += 1
        elif b[i] == b[j]:
            only_b += 1
        elif (a[i] < a[j]) == (b[i] < b[j]):
            concordant += 1
        else:
            discordant += 1
    untied = concordant + discordant
    return (concordant - discordant) / math.sqrt((untied + only_a) * (untied + only_b))


def alike(differ: Sequence[Sequence[bool]]) -> list[tuple[int, ...]]:
    """Of all subsets those in which no two differ and to which nobody can be added."""
    k = len(differ)

    def holds(members: Sequence[int]) -> bool:
        return not any(differ[i][j] for i, j in combinations(members, 2))

    sets = [m for size in range(1, k + 1) for m in combinations(range(k), size) if holds(m)]
    return sorted(m for m in sets if not any(set(m) < set(other) for other in sets))
