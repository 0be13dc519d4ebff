"""By how much the sides of a comparison differ: their rows matched by seed and image, or one value a training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from cambench import seeds
from cambench.metrics import Metric, find_metric, hierarchical
from cambench.metrics.hierarchical import Effect
from cambench.metrics.statistics import drawn_columns
from cambench.recipes.claims import Part
from cambench.report.claims.records import Group
from cambench.report.tables.alignment import aligned, check_data
from cambench.store.records import Record
from cambench.store.runs import Run
from cambench.vocabulary import UsageError

SIGNS = (1, -1, -1, 1)
"""Of a, b, and the pair whose difference is taken off."""


@dataclass(frozen=True)
class Columns:
    """A record's rows over the images (or pairs) that count: name -> (N, …), and the N ids."""

    values: Mapping[str, Tensor]
    ids: Sequence[str]


Read = Callable[[Record], Columns]
Trained = Callable[[str], Run]
"""A run's name -> the run."""


def effect(sides: Sequence[Group], variants: Sequence[str], part: Part, read: Read, trained: Trained) -> Effect:
    """The difference of the sides over their seeds, which all have in the same order.

    sides: a, b, … as `SIGNS`; variants: the metric's variant of each. Raises: UsageError where two saw different images.
    """
    if part.quantity != "metric":
        values = [of_trainings(part.quantity, [trained(record.run) for record in group]) for group in sides]
        return hierarchical.of_seeds([combined(part, each) for each in zip(*values, strict=True)])
    metric, generator = find_metric(sides[0][0].metric), seeds.generator("paired")
    pairs = list(zip(*sides, strict=True))
    columns = [matched(records, read) for records in pairs]
    if metric.rows.of_columns and not part.relative:
        return hierarchical.of_rows(differences(columns, variants, metric), generator)
    each = [set(own[0].ids) for own in columns]
    shared = [name for name in columns[0][0].ids if all(name in ids for ids in each)]
    values_of = [partial(on_images, part, metric, variants, [restricted(c, shared) for c in own]) for own in columns]
    return hierarchical.of_statistics(values_of, len(shared), generator)


def matched(records: Sequence[Record], read: Read) -> list[Columns]:
    """The rows of records of one seed over the images that all have, in one order.

    Raises: UsageError where two saw different images.
    """
    columns, first = [read(record) for record in records], records[0]
    shared: Sequence[str] = columns[0].ids
    for record, own in zip(records[1:], columns[1:], strict=True):
        check_data(first, record)
        aligned(first, record, columns[0].ids, own.ids)
        here = set(own.ids)
        shared = [name for name in shared if name in here]
    return [restricted(own, shared) for own in columns]


def restricted(columns: Columns, ids: Sequence[str]) -> Columns:
    """The rows of these images, in this order."""
    if list(columns.ids) == list(ids):
        return columns
    place = {name: i for i, name in enumerate(columns.ids)}
    rows = torch.tensor([place[name] for name in ids], dtype=torch.int64)
    return Columns({name: column[rows] for name, column in columns.values.items()}, list(ids))


def differences(columns: Sequence[Sequence[Columns]], variants: Sequence[str], metric: Metric) -> Tensor:
    """Σ sign·row in the metric's unit: (S,N) over all images that any seed saw, NaN where one did not."""
    every = list(dict.fromkeys(name for own in columns for name in own[0].ids))
    place = {name: i for i, name in enumerate(every)}
    made = torch.full((len(columns), len(every)), torch.nan, dtype=torch.float64)
    for row, own in zip(made, columns, strict=True):
        terms = [s * c.values[v].double() for s, c, v in zip(SIGNS, own, variants, strict=False)]
        row[[place[name] for name in own[0].ids]] = torch.stack(terms).sum(0) * metric.printing.scale
    return made


def on_images(part: Part, metric: Metric, variants: Sequence[str], columns: Sequence[Columns], drawn: Tensor) -> list[float]:
    """The difference of values that are no means of rows, on the rows (D,N) of each draw of images."""
    draws = zip(*(drawn_columns(own.values, drawn, metric.rows.averages) for own in columns), strict=True)
    return [combined(part, [value(metric, v, own) for v, own in zip(variants, sides, strict=True)]) for sides in draws]


def value(metric: Metric, variant: str, columns: Mapping[str, Tensor]) -> float:
    """A metric's value over the rows of some images, in its unit; NaN where these have none."""
    if metric.rows.mean is not None:
        return metric.rows.mean(columns).get(variant, float("nan")) * metric.printing.scale
    rows = columns if metric.rows.spread is None else metric.rows.spread(columns)
    return float(rows[variant].double().mean()) * metric.printing.scale if variant in rows else float("nan")


def combined(part: Part, values: Sequence[float]) -> float:
    """Σ sign·value, or how many percent the first is above the second, NaN where that is 0."""
    if part.relative:
        return 100 * (values[0] / values[1] - 1) if values[1] else math.nan
    return sum(sign * value for sign, value in zip(SIGNS, values, strict=False))


def of_trainings(quantity: str, runs: Sequence[Run]) -> list[float]:
    """One value a training of a method, over its seeds (`recipes.claims.Quantity`).

    Raises: UsageError for a run that does not say it.
    """
    if quantity == "failed":
        return [float(bool(run.info.warnings)) for run in runs]
    if quantity == "epoch-seconds":
        if silent := [run.name for run in runs if not run.info.seconds or not run.log()]:
            raise UsageError(f"{silent[0]} does not say how long it took")
        return [float(run.info.seconds or 0) / len(run.log()) for run in runs]
    curves = [[epoch.get("validation_accuracy") for epoch in run.log()] for run in runs]
    if not curves[0] or any(len(curve) != len(curves[0]) or None in curve for curve in curves):
        raise UsageError(f"{runs[0].name} and its seeds have no validation accuracy of every epoch")
    table = torch.tensor(curves, dtype=torch.float64)
    return [float(mean) for mean in (table - table.mean(0)).abs().mean(1)]
