"""Metrics: rows per image from a batch, a value from rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from cambench.lookup import canonical, find
from cambench.metrics import bootstrap, cgc_loss, content_heatmap, deletion, insertion, top_k
from cambench.metrics.bootstrap import check_rows
from cambench.vocabulary import Value


@dataclass(frozen=True)
class Metric:
    """One metric. `measure` declares by its argument names what it needs (`needs`) and returns rows (N,).

    scale, decimals: how the mean is printed, in `unit`. view, view_scale: how the input is cut, and its size as a multiple
    of the run's. steps: the map steps before `measure`, () where it takes no heatmap. variants: names of the ways to
    measure it, ("",) where there is one. group: images that are measured together, None for any number; a smaller rest is
    dropped. explains: whether it needs heatmaps. steps_on: explainer -> steps in place of `steps`, where its protocol
    differs. train_bn: (images a batch, images a chunk) where the maps come from passes in train mode, class by class, whose
    batch norms drift on; see stages/drift.py. A measure with several variants returns {column: rows}, the variants among
    them; a column `counted` (N,) bool marks the images that count, and `leaves_out` says which do not and why.
    mean: columns -> {variant: value}, where the value is no mean of rows over images. mask: how the ground-truth region
    comes to the image's resolution, by nearest neighbour or `dilated` (every pixel that a bilinear resize reaches).
    explainer: the only one that it looks at, where its protocol fixes one.
    """

    name: str
    measure: Callable[..., Tensor]
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

    def on(self, explainer: str) -> Metric:
        """The metric as it reads the maps of an explainer."""
        return replace(self, steps=self.steps_on.get(explainer, self.steps))

    @property
    def explains(self) -> bool:
        """True where `measure` takes a heatmap (a metric may also explain images itself, by the argument `explain`)."""
        return "heatmap" in needs(self)

    @property
    def looks(self) -> bool:
        """True where the value depends on an explainer, be it through heatmaps or as a function."""
        return bool({"heatmap", "explain", "class_maps", "differentiate"} & set(needs(self)))


PERTURBATION_STEPS = ("relu", "resize", "min-max-epsilon")
CH_STEPS = ("relu", "sum-to-one-epsilon", "resize")
CH_STEPS_ON = {"cmwp": ("relu", "resize")}  # CGC spec §2.5: no epsilon; the metric itself divides by the sum

INDEX: dict[str, Metric] = {
    "top1": Metric("top1", top_k.top1, "%", True, "CGC §4", "share of images whose best class is the label", scale=100),
    "top5": Metric(
        "top5", top_k.top5, "%", True, "CGC Table 9", "share of images with the label among five best", scale=100
    ),
    "top1-any": Metric(
        "top1-any",
        top_k.top1_any,
        "%",
        True,
        "CGC Table 3",
        "share of images whose best class is any of the right ones",
        scale=100,
    ),
    "ch": Metric(
        "ch",
        content_heatmap.measure,
        "%",
        True,
        "CGC §4; authors' code",
        "share of the heatmap inside the boxes of the ground-truth class",
        view="full",
        view_scale=2.0,
        scale=100,
        steps=CH_STEPS,
        variants=("official", "correct"),
        aliases=("content-heatmap",),
        steps_on=CH_STEPS_ON,
    ),
    "ch-224": Metric(
        "ch-224",
        content_heatmap.measure,
        "%",
        True,
        "CGC §4; default of the authors' script",
        "content heatmap at the network's own input size in place of twice it",
        view="full",
        scale=100,
        steps=CH_STEPS,
        variants=("official", "correct"),
        aliases=("content-heatmap-224",),
        steps_on=CH_STEPS_ON,
    ),
    "cgc-loss": Metric(
        "cgc-loss",
        cgc_loss.measure,
        "nats",
        False,
        "CGC §4, Table 1",
        "how far heatmaps are from following a random crop, told from 31 others",
        group=32,
    ),
    "iauc": Metric(
        "iauc",
        insertion.measure,
        "probability",
        True,
        "CGC §4; authors' code, after RISE",
        "mean probability of the predicted class while salient pixels are inserted",
        view="resize",
        decimals=4,
        steps=PERTURBATION_STEPS,
        aliases=("insertion-auc", "insertion"),
    ),
    "iauc-train-bn": Metric(
        "iauc-train-bn",
        insertion.measure,
        "probability",
        True,
        "authors' code of CGC, as published",
        "iauc as released: maps in train mode, batch norms drift over the classes in order",
        view="resize",
        decimals=4,
        steps=PERTURBATION_STEPS,
        aliases=("insertion-auc-train-bn",),
        train_bn=(100, 5000),
    ),
    "dauc": Metric(
        "dauc",
        deletion.measure,
        "probability",
        False,
        "RISE (Petsiuk et al. 2018)",
        "mean probability of the predicted class while salient pixels are deleted",
        view="resize",
        decimals=4,
        steps=PERTURBATION_STEPS,
        aliases=("deletion-auc", "deletion"),
    ),
}


def find_metric(name: str) -> Metric:
    """The entry of a metric's name or alias. Raises: UsageError naming the nearest and all."""
    aliases = {alias: entry.name for entry in INDEX.values() for alias in entry.aliases}
    return find(aliases.get(canonical(name), name), INDEX, "metric")


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
    """Variant -> its value over the rows (N, …) of the images that count.

    generator: makes the bootstrap's generator, the same for every variant.
    Raises: CambenchError without rows or for rows that are not finite.
    """
    if metric.mean is None:
        found = {}
        for variant in metric.variants:
            rows = columns[variant] * metric.scale
            interval = bootstrap.interval(rows, generator())
            found[variant] = Value(reduce(rows), len(rows), bootstrap.standard_error(rows), interval)
        return found
    values, n, scale = metric.mean(columns), len(next(iter(columns.values()))), metric.scale
    spread = bootstrap.resampled(metric.mean, columns, generator())
    return {
        v: Value(values[v] * scale, n, spread[v][0] * scale, (spread[v][1][0] * scale, spread[v][1][1] * scale))
        for v in metric.variants
    }
