"""Records → sources: what was measured of one network on one set of images, and of all that what can be ranked together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cambench import metrics
from cambench.lookup import canonical
from cambench.metrics import Metric, find_metric
from cambench.report.tables.paired import Side
from cambench.report.tables.select import LAST, data_of, preference
from cambench.vocabulary import number_of


@dataclass(frozen=True)
class Source:
    """A network on a split. sides: (explainer, metric) -> the record that has the values.

    The explainer's name has its target where the ranked ones have several, and its layer where it was measured at several.
    left: sentences on what was measured of it on other versions or parts of the split.
    """

    run: str
    dataset: str
    split: str
    sides: Mapping[tuple[str, str], Side]
    left: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """The images: `synthbirds test`."""
        return f"{self.dataset} {self.split}"


def headline(metric: Metric) -> str:
    """The variant that is ranked: the one that stands for all, or the first."""
    return metric.printing.headline or metric.variants[0]


def better(metric: Metric) -> Literal["up", "down"]:
    """Which way the ranked variant is better, of a metric that can rank."""
    return "down" if metric.direction(headline(metric)) == "down" else "up"


def unrankable(metric: Metric) -> str:
    """Why a metric cannot rank explainers image by image; "" where it can."""
    if not metric.looks:
        return "looks at no heatmap"
    if metric.fixed:
        return f"always measures {metric.fixed}"
    if metric.rows.pairs:
        return "its rows are pairs of classes, not images"
    if not metric.rows.of_columns:
        return "has one value over all images, none of each"
    return "neither more nor less is better" if metric.direction(headline(metric)) == "none" else ""


def sources(sides: Iterable[Side]) -> list[Source]:
    """One a network and split, of the last epoch; of several versions or parts of a split the one with most measurements.

    sides: of records that look at heatmaps.
    """
    versions: dict[tuple[str, str, str], dict[str, list[Side]]] = {}
    kept = [side for side in sides if side.record.checkpoint == LAST]
    for side in kept:
        record = side.record
        seen = versions.setdefault((record.run, record.dataset, record.split), {})
        seen.setdefault(str(data_of(record)), []).append(side)
    targets = len({side.record.target for side in kept}) > 1
    made = []
    for key, seen in sorted(versions.items(), key=lambda one: one[0]):
        most, *others = sorted((named(own, targets) for own in seen.values()), key=size, reverse=True)
        made.append(Source(*key, most, tuple(map(left_out, others))))
    return made


def left_out(sides: Mapping[tuple[str, str], Side]) -> str:
    """The sentence on a version or part of a split that is not ranked."""
    record, (measurements, images) = next(iter(sides.values())).record, size(sides)
    which = "; ".join(sentence.rstrip(".") for sentence in record.partial) or number_of(images, "image")
    return (
        f"Left out: {number_of(measurements, 'measurement')} of {record.run} on another version or part of {record.dataset} "
        f"{record.split} ({which})."
    )


def size(sides: Mapping[tuple[str, str], Side]) -> tuple[int, int]:
    """How many measurements, and of how many images at most."""
    return len(sides), max(value.n for side in sides.values() for value in side.record.values.values())


def named(sides: Sequence[Side], targets: bool) -> dict[tuple[str, str], Side]:
    """(explainer, metric) -> the preferred of a source's records. targets: whether names have the target."""
    layers: dict[tuple[str | None, str | None], set[str | None]] = {}
    for side in sides:
        layers.setdefault((side.record.explainer, side.record.target), set()).add(side.record.layer)
    made: dict[tuple[str, str], Side] = {}
    for side in sorted(sides, key=lambda side: preference([side.record])):
        record = side.record
        several = len(layers[record.explainer, record.target]) > 1
        words = (record.explainer, record.target if targets else "", f"at {record.layer}" if several else "")
        made.setdefault((" ".join(filter(None, words)), canonical(record.metric)), side)
    return made


def complete(own: Sequence[Source]) -> tuple[list[str], list[str], list[str]]:
    """Explainers and metrics of which every pair is measured in every source, and the sentences on what is left out.

    What lacks the largest share is left out first, a metric before an explainer.
    """
    pairs = {pair for source in own for pair in source.sides}
    explainers = list(dict.fromkeys(explainer for source in own for explainer, _ in source.sides))
    order = {name: place for place, name in enumerate(metrics.INDEX.names)}
    names = sorted({metric for _, metric in pairs}, key=lambda name: (order.get(find_metric(name).key, len(order)), name))
    left, whole = [sentence for source in own for sentence in source.left], " of every network" if len(own) > 1 else ""
    while holes := [(e, m) for e in explainers for m in names if any((e, m) not in source.sides for source in own)]:
        lacks = [(sum(m == name for _, m in holes) / len(explainers), 1, name) for name in names]
        lacks += [(sum(e == name for e, _ in holes) / len(names), 0, name) for name in explainers]
        _, metric, worst = max(lacks, key=lambda one: one[:2])
        others = [e for e, m in holes if m == worst] if metric else [m for e, m in holes if e == worst]
        left.append(f"Left out: {worst}, not measured{whole} {'with' if metric else 'by'} {', '.join(others)}.")
        (names if metric else explainers).remove(worst)
    return explainers, names, left
