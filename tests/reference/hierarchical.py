"""Slow twins of the statistics over seeds and images: by enumeration and by the definitions, in plain Python floats."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

T = {2: 4.302652729911275, 3: 3.182446305284263, 4: 2.776445105197793}
"""The .975 quantile of Student's t, from a table: degrees of freedom -> t."""

Rows = Sequence[Sequence[float | None]]
"""For each seed a difference an image, None where it has none."""


def mean_of_drawn(row: Sequence[float | None], drawn: Sequence[int]) -> float:
    """Mean over the drawn images that the seed has, an image as often as it was drawn."""
    values = [row[i] for i in drawn if row[i] is not None]
    return math.fsum(values) / len(values)


def outcomes(rows: Rows) -> list[float]:
    """Every outcome of drawing S of S seeds and, for all seeds alike, N of N images, all equally likely."""
    seeds, images = range(len(rows)), range(len(rows[0]))
    return [
        math.fsum(mean_of_drawn(rows[s], drawn) for s in chosen) / len(rows)
        for chosen in itertools.product(seeds, repeat=len(rows))
        for drawn in itertools.product(images, repeat=len(rows[0]))
    ]


def student(differences: Sequence[float]) -> tuple[float, float]:
    """d̄ ± t·s/√n."""
    n = len(differences)
    mean = sum(differences) / n
    deviation = math.sqrt(sum((d - mean) ** 2 for d in differences) / (n - 1))
    return mean - T[n - 1] * deviation / math.sqrt(n), mean + T[n - 1] * deviation / math.sqrt(n)


def bootstrap_p(drawn: Sequence[float], threshold: float) -> float:
    """Twice the smaller share of draws at or beyond the threshold, the observed one counted as a draw."""
    below, above = (sum(sign * d >= sign * threshold for d in drawn) for sign in (-1, 1))
    return min(1.0, 2 * (1 + min(below, above)) / (1 + len(drawn)))
