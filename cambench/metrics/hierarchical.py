"""What two methods differ by over seeds and images at once: a bootstrap of both, beside Student's t over the seeds.

The networks of a method differ by their seeds, and every network of both sees the same images, so a difference has two
sources of chance. Resampling images alone speaks of these networks; resampling both speaks of the methods.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from cambench.metrics import statistics
from cambench.metrics.statistics import AT_ONCE, DRAWS, FEWER
from cambench.vocabulary import CambenchError

LEAST = 3
"""Seeds from which on Student's interval is taken."""
MOST = 200
"""Seeds beyond which nobody would go."""
POWER = 0.8

Interval = tuple[float, float]
Statistic = Callable[[Tensor], Sequence[float]]
"""Rows of images (D,n), drawn with repetition -> the difference of the two networks of one seed on each of the D draws."""


@dataclass(frozen=True)
class Effect:
    """A difference a − b over seeds and images, in the metric's unit.

    by_seed: of each seed over its images. images: how many of them, 0 where it is no value of images. interval: 95 %, by
    the bootstrap; of one seed that of `statistics.compare`; None of a single image, or without images. over_seeds:
    Student's, None below 3 seeds. image_error: the deviation that the draw of images alone gives the difference, which no
    number of seeds takes away. drawn, rows: what p is reckoned from.
    """

    by_seed: tuple[float, ...]
    images: int
    interval: Interval | None
    over_seeds: Interval | None
    image_error: float = 0.0
    drawn: Tensor | None = field(default=None, repr=False, compare=False)
    rows: Tensor | None = field(default=None, repr=False, compare=False)

    @property
    def difference(self) -> float:
        """The mean over the seeds."""
        return math.fsum(self.by_seed) / len(self.by_seed)

    @property
    def intervals(self) -> list[Interval]:
        """Those that there are."""
        return [ends for ends in (self.interval, self.over_seeds) if ends is not None]

    def p(self, threshold: float = 0.0) -> float | None:
        """Two-sided p of a difference of `threshold`: the larger one of the tests behind the intervals; None without any.

        One seed: the signed-rank test of its images, as `statistics.compare`. Several: the share of the bootstrap's draws
        beyond the threshold, (1 + their number)/(1 + draws), twice (Davison & Hinkley 1997, §4.4), and Student's t.
        """
        tests = []
        if self.rows is not None:
            tests.append(statistics.wilcoxon((self.rows - threshold).numpy()))
        elif self.drawn is not None:
            beyond = min(int((self.drawn <= threshold).sum()), int((self.drawn >= threshold).sum()))
            tests.append(min(1.0, 2 * (1 + beyond) / (1 + len(self.drawn))))
        if self.over_seeds is not None:
            tests.append(students_p(self.by_seed, threshold))
        return max(tests, default=None)


def students_p(differences: Sequence[float], threshold: float) -> float:
    """Two-sided p of the one-sample t test; differences that are all alike have no deviation: p = 0, of the threshold 1."""
    distance = np.asarray(differences, dtype=np.float64) - threshold
    deviation = distance.std(ddof=1)
    if deviation == 0:
        return float(distance[0] == 0)
    t = distance.mean() / (deviation / math.sqrt(len(distance)))
    return float(2 * stats.t.sf(abs(t), len(distance) - 1))


def of_rows(differences: Tensor, generator: torch.Generator, draws: int = DRAWS) -> Effect:
    """The effect of differences a − b of S seeds on N images, NaN where a seed has no value for an image.

    differences (S,N) float64 in the metric's unit, its columns all images that any seed saw. Raises: CambenchError for a
    seed without images.
    """
    present = ~differences.isnan()
    if not bool(present.any(1).all()):
        raise CambenchError("paired rows: expected images for every seed, got a seed without any.")
    by_seed = tuple(statistics.reduce(row[has]) for row, has in zip(differences, present, strict=True))
    if len(differences) == 1:
        rows = differences[0][present[0]]
        error = statistics.standard_error(rows) or 0.0
        return Effect(by_seed, len(rows), statistics.interval(rows, generator), None, error, rows=rows)
    return of_draws(by_seed, int(present.any(0).sum()), means_drawn(differences, generator, draws), generator)


def means_drawn(differences: Tensor, generator: torch.Generator, draws: int) -> Tensor:
    """Each seed's mean over images drawn with repetition, the same images for every seed: (S,N) -> (draws,S).

    An image that is hard for all networks is thus one draw of chance, not S of them. A mean is over those of the drawn
    images that the seed has: Σ w·d / Σ w with the image's count w, so seeds may have other images (episodes).
    Raises: CambenchError where a draw leaves a seed without an image.
    """
    n = differences.shape[1]
    present, filled = (~differences.isnan()).double(), differences.nan_to_num()
    means = []
    many = max(1, AT_ONCE // n)
    for size in [min(many, draws - i) for i in range(0, draws, many)]:
        drawn = torch.randint(n, (size, n), generator=generator)
        counts = torch.zeros(size, n, dtype=torch.float64).scatter_add_(1, drawn, torch.ones(size, n, dtype=torch.float64))
        means.append((counts @ filled.T) / (counts @ present.T))
    every = torch.cat(means)
    if not bool(every.isfinite().all()):
        raise CambenchError(f"bootstrap: expected images of every seed in each draw, got a draw of {n} images without.")
    return every


def of_statistics(values: Sequence[Statistic], images: int, generator: torch.Generator, draws: int = FEWER) -> Effect:
    """The effect of a statistic that is no mean of rows: one function a seed, of which each takes the drawn images' rows.

    images: N, the same for every seed. A draw without an image of which the statistic speaks (a pair of classes that differ
    in one part) has no value, NaN, and is left out, as of a record's own interval, where most have one.
    Raises: CambenchError for a value that is not finite, and where half of the draws have none.
    """
    whole = torch.arange(images)[None]
    by_seed = tuple(value(whole)[0] for value in values)
    if images == 1:
        return Effect(by_seed, images, None, student(by_seed))
    drawn = torch.stack([torch.randint(images, (images,), generator=generator) for _ in range(draws)])
    means = torch.tensor([value(drawn) for value in values], dtype=torch.float64).T
    statistics.check_rows(torch.tensor(by_seed, dtype=torch.float64))
    known = ~means.isnan().any(1)
    return of_draws(by_seed, images, means[known] if 2 * int(known.sum()) > draws else means, generator)


def of_draws(by_seed: Sequence[float], images: int, means: Tensor, generator: torch.Generator) -> Effect:
    """The effect of means (draws,S) on drawn images: in each draw S seeds are drawn too, with repetition.

    Percentile interval. Source: the bootstrap of two crossed factors (Owen 2007, the pigeonhole bootstrap).
    Raises: CambenchError for means that are not finite.
    """
    statistics.check_rows(means.flatten())
    draws, seeds = means.shape
    chosen = torch.randint(seeds, (draws, seeds), generator=generator)
    drawn = means.gather(1, chosen).mean(1)
    ends = torch.quantile(drawn, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    error = float(means.mean(1).std(correction=1))
    return Effect(tuple(by_seed), images, (ends[0], ends[1]), student(by_seed), error, drawn=drawn)


def of_seeds(by_seed: Sequence[float]) -> Effect:
    """The effect of one value a seed that no images stand behind, as a training's duration.

    Raises: CambenchError for a value that is not finite.
    """
    statistics.check_rows(torch.tensor(by_seed, dtype=torch.float64))
    return Effect(tuple(by_seed), 0, None, student(by_seed))


def student(by_seed: Sequence[float]) -> Interval | None:
    """Student's interval over at least 3 seeds."""
    return statistics.over_seeds(by_seed)[1] if len(by_seed) >= LEAST else None


def seeds_needed(effect: Effect, threshold: float = 0.0) -> int | None:
    """How many seeds would decide whether the difference is beyond the threshold, if it is what was seen.

    The smallest n ≥ 3 with a power of 0.8 at 5 %, two-sided: Student's t with non-centrality |d̄ − threshold|·√n/s, and
    |d̄ − threshold| ≥ (z.975 + z.8)·√(s²/n + e²), e the deviation that the images give, which remains. None where not
    even 200 would, so that images lack, not seeds; 3 of fewer than 2 seeds, which say nothing of s.
    """
    if len(effect.by_seed) < 2:
        return LEAST
    distance = abs(effect.difference - threshold)
    deviation = float(np.std(effect.by_seed, ddof=1))
    reach = stats.norm.ppf(0.975) + stats.norm.ppf(POWER)
    for n in range(LEAST, MOST + 1):
        enough = distance >= reach * math.hypot(deviation / math.sqrt(n), effect.image_error)
        if enough and distance > 0 and (deviation == 0 or students_power(distance * math.sqrt(n) / deviation, n) >= POWER):
            return n
    return None


def students_power(shift: float, n: int) -> float:
    """The power of the two-sided t test of n values at 5 %, for a non-centrality `shift` ≥ 0."""
    beyond = float(stats.t.ppf(0.975, n - 1))
    power = stats.nct.sf(beyond, n - 1, shift) + stats.nct.cdf(-beyond, n - 1, shift)
    return float(power) if math.isfinite(power) else 1.0
