"""The figures `worst` and `best`: the images with the extreme values of a metric, each with its stored heatmap over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cambench.data.regions import boxes_in_view
from cambench.data.views import in_words
from cambench.explainers import find_explainer
from cambench.lookup import canonical, nearest
from cambench.metrics import Metric, find_metric
from cambench.report.figures.mosaic import Tile, mosaic
from cambench.report.figures.plots import sentences
from cambench.stages.network import LAST
from cambench.stages.reporting import heatmaps
from cambench.stages.reporting.figures.scene import Drawn, photograph, plain, reload, view_of
from cambench.stages.workplace import Place, run_of
from cambench.store.heatmaps import Heatmaps
from cambench.store.records import Record, read_rows, readable, rows_path
from cambench.targets import settled
from cambench.vocabulary import EXPLAINER, TARGET, Dataset, UsageError, number_of

MAPS = {"explainer": EXPLAINER, "target": TARGET}
"""The maps over the images of a metric that looks at none."""
SHOWN = 3
"""Records that an error names."""
Asked = Mapping[str, str | None]
"""Explainer, target and data set where they are named."""


@dataclass(frozen=True)
class Measured:
    """A metric's record and what it measured of each image: values (n,) in the metric's unit, and the ids of the images."""

    metric: Metric
    variant: str
    record: Record
    values: NDArray[np.float64]
    ids: Sequence[str]

    def order(self, kind: str) -> list[int]:
        """The places of the images, the worst (best) first; equal values in the order of the data set."""
        worse = self.values if self.metric.direction(self.variant) == "up" else -self.values
        order: list[int] = np.argsort(worse if kind == "worst" else -worse, kind="stable").tolist()
        return order

    def text(self, value: float) -> str:
        """A value as tables print it, with its unit."""
        return f"{value:.{self.metric.printing.decimals}f} {self.metric.unit_of(self.variant)}".rstrip()


def extremes(
    kind: str, names: Sequence[str], place: Place, *, metric: str, variant: str | None, images: int, **asked: str | None
) -> Drawn:
    """The worst (best) images first. asked: explainer, target and data set, where they are named.

    Raises: UsageError where not one record is meant, or where its maps or its images are not at hand.
    """
    if asked["explainer"]:
        asked["explainer"] = find_explainer(asked["explainer"]).name
    if asked["target"]:
        asked["target"] = settled(asked["target"])
    shown = measured(kind, metric, variant, record_of(kind, find_metric(metric), names, asked, place))
    maps = heatmaps_of(kind, shown, asked, place)
    dataset = reload(maps, place.data)
    if dataset.fingerprint != maps.job["data"]:
        raise UsageError(f"figure {kind}: {dataset.name} is not the data that {shown.record.run} was measured on.")
    rows = {sample.id: row for row, sample in enumerate(dataset.samples)}
    order = shown.order(kind)[:images]
    tiles = [tile(maps, dataset, rows[shown.ids[i]], shown.text(shown.values[i])) for i in order]
    foot = notes(kind, shown, maps, len(order))
    listed = [
        {"image": one.id, "class": one.label, "value": float(shown.values[i]), "predicted": one.predicted}
        for i, one in zip(order, tiles, strict=True)
    ]
    facts = {"run": shown.record.run, "dataset": shown.record.dataset, "metric": shown.metric.name, "variant": shown.variant}
    return Drawn(mosaic(tiles, foot), {**facts, "notes": foot, "images": listed})


worst, best = partial(extremes, "worst"), partial(extremes, "best")


def record_of(kind: str, metric: Metric, names: Sequence[str], asked: Asked, place: Place) -> Record:
    """The one record that is meant. Raises: UsageError where there is none, or several."""
    if not metric.rows.of_columns or metric.rows.pairs or metric.maps.train_bn is not None:
        raise UsageError(f"figure {kind}: expected a metric with a value an image and stored heatmaps, got {metric.name}.")
    folders = [run_of(name, place.results).name for name in names] or ["*"]
    paths = sorted(path for folder in folders for path in (place.results / "records").glob(f"{folder}/*.json"))
    meant = of_most_images(
        [r for r in readable(paths) if r.metric == metric.name and r.checkpoint == LAST and agrees(r, asked)]
    )
    if not meant:
        run = names[0] if names else "RUN"
        raise UsageError(f"figure {kind}: no such record of {metric.name}; measure it: cambench eval -m {metric.name} {run}")
    if len(meant) > 1:
        here = [" ".join(filter(None, (r.run, r.explainer, r.target, f"on {r.dataset} {r.split}", r.layer))) for r in meant]
        rest = f" and {len(here) - SHOWN} more" if len(here) > SHOWN else ""
        raise UsageError(
            f"figure {kind}: expected one record of {metric.name}, got {'; '.join(here[:SHOWN])}{rest}; choose with RUN, "
            "--explainer, --target or --dataset."
        )
    return meant[0]


def of_most_images(records: Sequence[Record]) -> list[Record]:
    """Of records that differ in their part of the data alone the one of most images."""
    alike: dict[tuple[str | None, ...], list[Record]] = {}
    for record in records:
        facts = (record.explainer, record.target, record.layer, record.precision, record.dataset, record.split)
        alike.setdefault((record.run, *facts), []).append(record)
    made = []
    for own in alike.values():
        several = len({record.partial for record in own}) == len(own)
        made += [max(own, key=lambda record: max(value.n for value in record.values.values()))] if several else own
    return made


def agrees(record: Record, asked: Asked) -> bool:
    """Whether a record is of the explainer, target and data set asked for; a metric of no maps is of any."""
    facts = [(wanted, getattr(record, name)) for name, wanted in asked.items()]
    return all(wanted is None or fact is None or canonical(wanted) == canonical(fact) for wanted, fact in facts)


def measured(kind: str, metric: str, variant: str | None, record: Record) -> Measured:
    """The values of a variant; None is the metric's headline, else its first.

    Raises: UsageError for one that is not there, or whose values are neither worse nor better.
    """
    entry, rows = find_metric(metric), read_rows(rows_path(record.path))
    known = [name for name in record.values if name in rows.values]
    name = variant if variant is not None else entry.printing.headline or known[0]
    if name not in known:
        raise UsageError(f"figure {kind}: {nearest(name, known, f'variant of {entry.name}')}")
    if entry.direction(name) == "none":
        raise UsageError(f"figure {kind}: expected a variant with better and worse values, got {name} of {entry.name}.")
    return Measured(entry, name, record, rows.values[name] * entry.printing.scale, rows.ids)


def heatmaps_of(kind: str, shown: Measured, asked: Asked, place: Place) -> Heatmaps:
    """The stored maps that the metric looked at; of one that looks at none, those asked for, else grad-cam of the logit.

    Raises: UsageError that says how they are made.
    """
    record, looks = shown.record, shown.metric.looks
    identity = dict(record.job.get("maps") or record.job["input"])
    if not looks:  # its own view is not that of the maps
        del identity["view"]
        identity |= MAPS | {name: wanted for name, wanted in asked.items() if wanted}
    for maps in heatmaps.each((place.results / "heatmaps" / record.run).glob("*.h5")):
        if all(maps.job.get(key) == value for key, value in identity.items()):
            return maps
    ask = f"cambench explain {record.run} -e {identity['explainer']} -t {identity['target']}"
    mend = f"{ask} --view {identity['view']['kind']}" if looks else ask
    raise UsageError(f"figure {kind}: the heatmaps are not stored; make them: {mend}")


def tile(maps: Heatmaps, dataset: Dataset, row: int, value: str) -> Tile:
    """An image with its map, its value and what the network says of it."""
    view, sample, predicted = view_of(maps), dataset.samples[row], int(maps.prediction[row])
    picture, factor = photograph(dataset, row, view)
    boxes = [(factor * a, factor * b, factor * c, factor * d) for a, b, c, d in boxes_in_view(dataset, row, view)]
    names = plain(dataset.classes[sample.label]), plain(dataset.classes[predicted])
    return Tile(picture, maps.maps[row], boxes, value, sample.id, *names, predicted in sample.right)


def notes(kind: str, shown: Measured, maps: Heatmaps, n: int) -> list[str]:
    """What is shown, how to read it, and every sentence that must stand under the record's values."""
    record, metric, job = shown.record, shown.metric, maps.job
    variant = f" ({shown.variant})" if shown.variant else ""
    mean = shown.text(record.values[shown.variant].value)
    better = "higher" if metric.direction(shown.variant) == "up" else "lower"
    images = number_of(len(shown.ids), "image")
    return [
        f"The {n} {kind} of {images} by {metric.name}{variant}, {better} is better: {metric.summary}; "
        f"{mean} over all. {record.dataset}, {record.split}; run {record.run}.",
        f"Beneath an image: its value, its name, its class, what the network says. Over it: {job['explainer']} of the "
        f"{job['target']}, layer {job['layer']}, its positive part on its own scale. Shown is {in_words(view_of(maps))}.",
        *sentences([record]),
    ]
