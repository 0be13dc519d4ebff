"""How sure a mean over images is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from cambench.metrics.predictions import checked
from cambench.vocabulary import CambenchError

AT_ONCE = 4_000_000


def interval(rows: Tensor, generator: torch.Generator, draws: int = 2000, level: float = 0.95) -> tuple[float, float] | None:
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
    draws: int = 400,
    level: float = 0.95,
) -> dict[str, tuple[float, tuple[float, float]] | tuple[None, None]]:
    """Name -> bootstrap standard error and percentile interval of a statistic that is no mean, over resamples of the images.

    Source: Efron & Tibshirani 1993, §6.2 and §13.3. columns: name -> rows (N, …) on the CPU. None for a single row.
    """
    n = len(next(iter(columns.values())))
    if n == 1:
        return dict.fromkeys(statistic(columns), (None, None))
    found: dict[str, list[float]] = {}
    for _ in range(draws):
        rows = torch.randint(n, (n,), generator=generator)
        for name, value in statistic({k: column[rows] for k, column in columns.items()}).items():
            found.setdefault(name, []).append(value)
    tail = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    spread: dict[str, tuple[float, tuple[float, float]] | tuple[None, None]] = {}
    for name, values in found.items():
        drawn = check_rows(torch.tensor(values, dtype=torch.float64))
        low, high = torch.quantile(drawn, tail).tolist()
        spread[name] = (float(drawn.std(correction=1)), (low, high))
    return spread


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
