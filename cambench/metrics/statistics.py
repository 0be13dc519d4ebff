"""How sure a mean over images is, and whether two networks differ on the same images: intervals, tests, corrections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from cambench.metrics.asked import checked
from cambench.metrics.entry import Metric
from cambench.vocabulary import CambenchError, Value

DRAWS, FEWER = 2000, 400
"""Resamples of a bootstrap: of means, and of a statistic that is none."""
AT_ONCE = 4_000_000
EXACT = 50
"""Differences up to which the signed-rank test counts every choice of signs."""


def interval(
    rows: Tensor, generator: torch.Generator, draws: int = DRAWS, level: float = 0.95
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of the mean: quantiles (1±level)/2 of the means of `draws` resamples of the rows.

    Source: Efron & Tibshirani 1993, §13.3. rows (N,) on the CPU -> (low, high) in the rows' unit. Rows of only two values
    (hits) are drawn as binomial counts, which has the same distribution. None for a single row, every resample of which
    is itself.
    Raises: CambenchError without rows or for rows that are not finite.
    """
    rows = check_rows(rows)
    n, low, high = len(rows), rows.min(), rows.max()
    if n == 1:
        return None
    if bool(((rows == low) | (rows == high)).all()):
        share = (rows == high).double().mean()
        counts = torch.binomial(
            torch.full((draws,), float(n), dtype=torch.float64), share.expand(draws), generator=generator
        )
        means = low + (high - low) * counts / n
    else:
        many = max(1, AT_ONCE // n)
        sizes = [min(many, draws - i) for i in range(0, draws, many)]
        means = torch.cat([rows[torch.randint(n, (size, n), generator=generator)].mean(1) for size in sizes])
    tail = (1 - level) / 2
    bounds = torch.quantile(means, torch.tensor([tail, 1 - tail], dtype=torch.float64))
    return float(bounds[0]), float(bounds[1])


def resampled(
    statistic: Callable[[Mapping[str, Tensor]], dict[str, float]],
    columns: Mapping[str, Tensor],
    generator: torch.Generator,
    draws: int = FEWER,
    level: float = 0.95,
    *,
    averages: bool = False,
) -> dict[str, tuple[float, tuple[float, float]] | tuple[None, None]]:
    """Name -> bootstrap standard error and percentile interval of a statistic that is no mean, over resamples of the images.

    Source: Efron & Tibshirani 1993, §6.2 and §13.3. columns: name -> rows (N, …) on the CPU; averages: as
    `drawn_columns`. None for a single row.
    """
    n = len(next(iter(columns.values())))
    if n == 1:
        return dict.fromkeys(statistic(columns), (None, None))
    drawn_values: dict[str, list[float]] = {}
    drawn = torch.stack([torch.randint(n, (n,), generator=generator) for _ in range(draws)])
    for resample in drawn_columns(columns, drawn, averages):
        for name, value in statistic(resample).items():
            drawn_values.setdefault(name, []).append(value)
    tail = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    spread: dict[str, tuple[float, tuple[float, float]] | tuple[None, None]] = {}
    for name, values in drawn_values.items():
        means = check_rows(torch.tensor(values, dtype=torch.float64))
        low, high = torch.quantile(means, tail).tolist()
        spread[name] = (float(means.std(correction=1)), (low, high))
    return spread


def drawn_columns(columns: Mapping[str, Tensor], drawn: Tensor, averages: bool) -> Iterator[dict[str, Tensor]]:
    """The columns of each draw of images: name -> rows (N, …), drawn (D,N) of them -> D times name -> (N, …).

    averages: of each draw one row (1, …), Σ_n count_n·row_n / N in float64, all of them by one product.
    """
    if not averages:
        yield from ({name: column[rows] for name, column in columns.items()} for rows in drawn)
        return
    counts = torch.zeros(drawn.shape, dtype=torch.float64).scatter_add_(
        1, drawn, torch.ones(drawn.shape, dtype=torch.float64)
    )
    sums = {name: counts @ column.double().reshape(len(column), -1) for name, column in columns.items()}
    for i, n in enumerate(counts.sum(1)):
        yield {name: (sums[name][i] / n).reshape(1, *column.shape[1:]) for name, column in columns.items()}


def standard_error(rows: Tensor) -> float | None:
    """Standard error of the mean: s/√N with the sample deviation s (ddof 1); None for a single row, which has no deviation.

    Raises: CambenchError without rows or for rows that are not finite.
    """
    rows = check_rows(rows)
    return float(rows.std(correction=1) / len(rows) ** 0.5) if len(rows) > 1 else None


def check_rows(rows: Tensor) -> Tensor:
    """The rows as float64 on the CPU. Raises: CambenchError without rows or for rows that are not finite."""
    if rows.ndim != 1 or not len(rows):
        raise CambenchError(f"expected per-image rows (N,) with N ≥ 1, got shape {tuple(rows.shape)}; nothing was measured.")
    return checked(rows, "per-image rows").double().cpu()


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
    a, b = check_rows(a), check_rows(b)
    difference = a - b
    return Paired(
        n=len(a),
        a=float(a.mean()),
        b=float(b.mean()),
        difference=float(difference.mean()),
        interval=interval(difference, generator),
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
    """Two-sided p of the signed-rank test, 2·min(P(W ≤ w), P(W ≥ w)) ≤ 1, for w the sum of the ranks of those above zero.

    Source: Wilcoxon 1945. Differences of zero are left out, and without any other p is 1; equally large ones share the mean
    of their ranks. Exact for up to 50 differences: of the 2ⁿ equally likely choices of signs. Else the normal approximation
    with its correction for ties and none for continuity.
    """
    others = differences[differences != 0]
    if not len(others):
        return 1.0
    ranks: NDArray[np.float64] = stats.rankdata(np.abs(others))
    w = ranks[others > 0].sum()
    if len(others) <= EXACT:
        share = signed_rank_sums(ranks)
        return min(1.0, 2 * float(min(share[: round(2 * w) + 1].sum(), share[round(2 * w) :].sum())))
    z = (w - ranks.sum() / 2) / ((ranks**2).sum() / 4) ** 0.5
    return float(2 * stats.norm.sf(abs(z)))


def signed_rank_sums(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entry s: the share of the 2ⁿ sets of ranks (n,) whose sum is s/2; ranks are whole or half, as mid-ranks are."""
    share = np.ones(1)
    for doubled in np.rint(2 * ranks).astype(int):
        share = np.pad(share, (0, doubled)) / 2 + np.pad(share, (doubled, 0)) / 2
    return share


def holm(p: Sequence[float]) -> list[float]:
    """p values corrected for m tests: sorted upwards, p̃_k = max over j ≤ k of min(1, (m − j + 1)·p_j). Source: Holm 1979."""
    corrected = [0.0] * len(p)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[index]))
        corrected[index] = largest
    return corrected


def reduce(rows: Tensor) -> float:
    """The mean of the rows (N,), in their own unit.

    Raises: CambenchError without rows or for rows that are not finite.
    """
    return float(check_rows(rows).mean())


def summarise(metric: Metric, columns: Mapping[str, Tensor], generator: Callable[[], torch.Generator]) -> dict[str, Value]:
    """Variant -> its value over the rows (N, …) of the images that count; a variant that has no value is left out.

    generator: makes the bootstrap's generator, the same for every variant.
    Raises: CambenchError without rows or for rows that are not finite.
    """
    if metric.rows.mean is None:
        spread_out = metric.rows.spread
        variants = {v: columns[v] for v in metric.variants} if spread_out is None else spread_out(columns)
        scaled_rows = {variant: rows * metric.printing.scale for variant, rows in variants.items()}
        return {
            variant: Value(reduce(rows), len(rows), standard_error(rows), interval(rows, generator()))
            for variant, rows in scaled_rows.items()
        }
    values, n, scale = metric.rows.mean(columns), len(next(iter(columns.values()))), metric.printing.scale
    spread = resampled(metric.rows.mean, columns, generator(), averages=metric.rows.averages)
    return {v: scaled(Value(values[v], n, *spread[v]), scale) for v in metric.variants if v in values}


def scaled(mean: Value, scale: float) -> Value:
    """A value with its spread, in the metric's unit."""
    error, ends = mean.standard_error, mean.interval
    bounds = None if ends is None else (ends[0] * scale, ends[1] * scale)
    return Value(mean.value * scale, mean.n, None if error is None else error * scale, bounds)
