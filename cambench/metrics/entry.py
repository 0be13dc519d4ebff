"""What a metric is, and how its rows become values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from cambench.metrics import statistics
from cambench.metrics.statistics import check_rows
from cambench.vocabulary import Value

Direction = Literal["up", "down", "none"]


@dataclass(frozen=True)
class Metric:
    """One metric. `measure` declares by its argument names what it needs (`needs`) and returns rows (N,).

    scale, decimals: how the mean is printed, in `unit`. view, view_scale: how the input is cut, and its size as a multiple
    of the run's. steps: the map steps before `measure`, or that it applies to maps which it asks for itself. variants: names
    of the ways to measure it, ("",) where there is one. group: images that are measured together, None for any number; a
    smaller rest is dropped. explains: whether it needs heatmaps. steps_on: explainer -> steps in place of `steps`, where its
    protocol differs. train_bn: (images a batch, images a chunk) where the maps come from passes in train mode, class by
    class, whose batch norms drift on; see measuring/drift.py. A measure with several variants returns {column: rows}, the
    variants among them; a column `counted` (N,) bool marks the images that count; `leaves_out` says which do not, and why.
    mean: columns -> {variant: value}, where the value is no mean of rows over images. mask: how the ground-truth region
    comes to the image's resolution, by nearest neighbour or `dilated` (every pixel that a bilinear resize reaches).
    explainer: the only one that it looks at, where its protocol fixes one. directions: variant -> `down` or `none`, where it
    differs from the metric's. units: the same for its unit. tallies: columns of marks, counted over the images that count.
    pairs: it is measured over pairs of classes, a row a pair (pair_rows.py). spread: columns -> {variant: rows}, where a
    variant is the mean of a part of the rows. first: only the first so many images of a split are measured, None for all.
    version: raise it when a formula or a protocol changes, so that its values change: what an older version measured then
    counts no longer, and is measured anew. asks: the question that it answers, for someone who has read no paper; "" where
    `summary` says it.
    """

    name: str
    measure: Callable[..., Any]
    unit: str
    higher_is_better: bool
    source: str
    summary: str
    view: Literal["resize-center-crop", "full", "resize"] = "resize-center-crop"
    view_scale: float = 1.0
    scale: float = 1.0
    decimals: int = 2
    steps: tuple[str, ...] = ()
    variants: tuple[str, ...] = ("",)
    group: int | None = None
    aliases: tuple[str, ...] = ()
    steps_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    train_bn: tuple[int, int] | None = None
    leaves_out: str = ""
    mean: Callable[[Mapping[str, Tensor]], dict[str, float]] | None = None
    mask: Literal["nearest", "dilated"] = "nearest"
    explainer: str = ""
    pairs: bool = False
    spread: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] | None = None
    directions: Mapping[str, Direction] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    tallies: tuple[str, ...] = ()
    first: int | None = None
    version: int = 1
    asks: str = ""

    def direction(self, variant: str) -> Direction:
        """Which way a variant's values are better."""
        return self.directions.get(variant, "up" if self.higher_is_better else "down")

    def unit_of(self, variant: str) -> str:
        """The unit of a variant's values."""
        return self.units.get(variant, self.unit)

    def on(self, explainer: str) -> Metric:
        """The metric as it reads the maps of an explainer."""
        return replace(self, steps=self.steps_on.get(explainer, self.steps))

    @property
    def explains(self) -> bool:
        """True where `measure` takes a heatmap (a metric may also explain images itself, by the argument `explain`)."""
        return "heatmap" in needs(self) and not self.pairs

    @property
    def at_annotation(self) -> bool:
        """True where maps and regions are compared at the resolution of the annotation, false at that of the input."""
        return "mask" in needs(self) and "image" not in needs(self)

    @property
    def regions(self) -> bool:
        """True where it looks at the regions of objects at the resolution of the input."""
        return not self.at_annotation and bool({"mask", "regions"} & set(needs(self)))

    @property
    def looks(self) -> bool:
        """True where the value depends on an explainer, be it through heatmaps or as a function."""
        return bool({"heatmap", "explain", "class_maps", "differentiate"} & set(needs(self)))

    @property
    def targeted(self) -> bool:
        """True where the value depends on the target that is explained."""
        return bool({"heatmap", "explain", "differentiate"} & set(needs(self)))


def needs(metric: Metric) -> tuple[str, ...]:
    """The names of the arguments that `measure` takes, all of them in `vocabulary.ARGUMENTS`; options are keyword-only."""
    parameters = inspect.signature(metric.measure).parameters.values()
    return tuple(p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY)


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
    if metric.mean is None:
        found = {}
        variants: Mapping[str, Tensor] = (
            {v: columns[v] for v in metric.variants} if metric.spread is None else metric.spread(columns)
        )
        for variant, rows in variants.items():
            rows = rows * metric.scale
            interval = statistics.interval(rows, generator())
            found[variant] = Value(reduce(rows), len(rows), statistics.standard_error(rows), interval)
        return found
    values, n, scale = metric.mean(columns), len(next(iter(columns.values()))), metric.scale
    spread = statistics.resampled(metric.mean, columns, generator())
    return {v: scaled(Value(values[v], n, *spread[v]), scale) for v in metric.variants if v in values}


def scaled(found: Value, scale: float) -> Value:
    """A value with its spread, in the metric's unit."""
    error, ends = found.standard_error, found.interval
    interval = None if ends is None else (ends[0] * scale, ends[1] * scale)
    return Value(found.value * scale, found.n, None if error is None else error * scale, interval)
