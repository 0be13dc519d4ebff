"""The gallery of a report: a few images of each data set, with the heatmaps of every method side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cambench import maps
from cambench.data.regions import boxes_in_view
from cambench.data.views import STILL, in_words
from cambench.explainers import known_explainer
from cambench.lookup import network_name
from cambench.pixels import Normalisation
from cambench.report.formats.html import Gallery, GalleryRow, Prediction
from cambench.report.tables.varied import labelled, varied
from cambench.stages.progress import say
from cambench.stages.reporting.figures.scene import of_classes, photograph, plain, reload, view_of
from cambench.stages.reporting.heatmaps import readable
from cambench.store.heatmaps import Heatmaps
from cambench.store.runs import Run
from cambench.vocabulary import TARGET, DataError, Dataset, number_of

ROWS = 8
IMAGES = "{} images, chosen by their place in the list alone: the first of each class, of evenly spaced classes."
ENDS = "The last two were chosen for their heatmaps: where these differ most, and where they agree most."
DIFFER = "Here the heatmaps differ most: {:.0f} % of the heat is common to all, the least of {}"
AGREE = "Here the heatmaps agree most: {:.0f} % of the heat is common to all, the most of {}"
PREDICTED = "prediction"


@dataclass(frozen=True)
class Shown:
    """A heatmap file of a run, to be shown under a label."""

    run: Run
    maps: Heatmaps
    label: str


def gallery(runs: Sequence[Run], results: Path, data_root: Path, explainers: Sequence[str] = ()) -> list[Gallery]:
    """A few images of each data set, the first seed of every method × explainer (none named: all) × target beside them.

    Only maps of one view and of the same images stand side by side. A data set that is not here is left out, and said.
    """
    groups = of_explainers(by_view(runs, results), explainers)
    made = (of_set(first_seeds(own), data_root, left_out(own, groups)) for own in side_by_side(groups))
    return [shown for shown in made if shown.rows]


def of_set(shown: Sequence[Shown], data_root: Path, notes: Sequence[str]) -> Gallery:
    """The gallery of one data set: images chosen by rule, then those on which the maps have least and most in common."""
    job = shown[0].maps.job
    made = rows(shown, data_root)
    shares = common(shown) if made and len({s.label for s in shown}) > 1 else []
    sentences = [IMAGES.format(len(made))]
    if shares:
        least, most = int(np.nanargmin(shares)), int(np.nanargmax(shares))
        for row, words in ((least, DIFFER), (most, AGREE)):
            why = words.format(100 * shares[row], number_of(len(shares), "image"))
            made += rows(shown, data_root, chosen=[row], why=why)
        sentences.append(ENDS)
    sentences += explained(job)
    seeds = sorted({s.run.info.seed for s in shown})
    seen = f"Shown is {in_words(view_of(shown[0].maps))}; networks of seed {', '.join(map(str, seeds))}."
    wrong = [f"{s.run.name}: {sentence}." for s in shown for sentence in s.run.info.warnings]
    return Gallery(f"{job['dataset']}, {job['split']} images", made, [*sentences, seen, *notes, *dict.fromkeys(wrong)])


def explained(job: Mapping[str, Any]) -> list[str]:
    """The sentence that maps need which are not of the labelled class."""
    return ["Explained is the class that the network predicts."] if job["classes"] == PREDICTED else []


def common(shown: Sequence[Shown]) -> list[float]:
    """For each image the share of the heat that all maps have in common: Σ over pixels of the least of them.

    Each map counts with its positive part divided by its sum, on the finest grid of all; NaN where one has no positive part.
    """
    shares = []
    for several in zip(*(s.maps.maps for s in shown), strict=True):
        size = (max(m.shape[0] for m in several), max(m.shape[1] for m in several))
        heat = torch.cat([maps.resize(torch.from_numpy(m).float()[None].relu(), size) for m in several])
        shares.append(float((heat / heat.sum((1, 2), keepdim=True)).amin(0).sum()))
    return shares if np.isfinite(shares).any() else []


def left_out(shown: Sequence[Shown], groups: Sequence[Sequence[Shown]]) -> list[str]:
    """The sentence that names maps of the same images which another view keeps out."""
    others = sorted({s.label for s in of_other_views(shown, groups)})
    return [f"Not beside them, because another view was explained: {', '.join(others)}."] if others else []


def of_other_views(shown: Sequence[Shown], groups: Sequence[Sequence[Shown]]) -> list[Shown]:
    """Maps of the same images whose label is not among those that were shown, because they were made of another view."""
    data, labels = shown[0].maps.job["data"], {s.label for s in shown}
    return [s for group in groups for s in group if s.maps.job["data"] == data and s.label not in labels]


def side_by_side(groups: Sequence[list[Shown]]) -> list[list[Shown]]:
    """The heatmaps that may stand side by side: for each set of images, those of the view with the most maps.

    Two views that differ only in how they normalise colours show the same picture.
    """
    best: dict[str, list[Shown]] = {}
    for group in sorted(groups, key=rank):
        best.setdefault(group[0].maps.job["data"], group)
    return list(best.values())


def by_view(runs: Sequence[Run], results: Path) -> list[list[Shown]]:
    """The heatmaps of the runs, those of the same images seen alike and of the same choice of classes together."""
    groups: dict[tuple[str, str, str], list[Shown]] = {}
    folders = {results / "heatmaps" / run.name: (run, network) for run, network in labelled_runs(runs)}
    for path, shown in readable(path for folder in folders for path in sorted(folder.glob("*.h5"))).items():
        run, network = folders[path.parent]
        seen = str({k: v for k, v in shown.job["view"].items() if k not in Normalisation._fields})
        key = (shown.job["data"], seen, shown.job["classes"])
        groups.setdefault(key, []).append(Shown(run, shown, label(network, shown.job)))
    return [by_layer(group) for group in groups.values()]


def of_explainers(groups: Sequence[list[Shown]], names: Sequence[str]) -> list[list[Shown]]:
    """The same of these explainers alone; none named: of all."""
    return [own for group in groups if (own := [s for s in group if not names or s.maps.job["explainer"] in names])]


def by_layer(group: Sequence[Shown]) -> list[Shown]:
    """The same, those of one label that explain several layers named by their layer as well."""
    layers: dict[str, set[str]] = {}
    for shown in group:
        layers.setdefault(shown.label, set()).add(shown.maps.job["layer"])
    looks = {s.label: (entry := known_explainer(s.maps.job["explainer"])) is None or entry.at_layer for s in group}
    several = {label for label, own in layers.items() if len(own) > 1 and looks[label]}
    return [replace(s, label=f"{s.label} at {s.maps.job['layer']}") if s.label in several else s for s in group]


def rank(group: Sequence[Shown]) -> tuple[int, bool, int]:
    """Sort key: the most maps side by side, then those of the labels before those of the predictions, the preferred view."""
    job = group[0].maps.job
    return -len({s.label for s in group}), job["classes"] == PREDICTED, STILL.index(job["view"]["kind"])


def label(network: str, job: dict[str, Any]) -> str:
    """What stands beneath a map of the gallery; network: as `labelled_runs` names it."""
    target = "" if job["target"] == TARGET else f" {job['target']}"
    epoch = f" {job['epoch']} epoch" if "epoch" in job else ""
    return f"{network} {job['explainer']}{target}{epoch}"


def labelled_runs(runs: Sequence[Run]) -> list[tuple[Run, str]]:
    """Each run with its method and architecture; where a data set has several settings of these, with what differs."""
    alike: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        alike.setdefault((run.info.dataset, run.info.method, run.info.arch), []).append(run)
    words = {
        run.name: ", ".join(differ)
        for same in alike.values()
        for run, differ in zip(same, varied([run.info.training for run in same]), strict=True)
    }
    return [(run, f"{labelled(run.info.method, words[run.name])} {network_name(run.info.arch)}") for run in runs]


def by_seed(every: Sequence[Shown]) -> list[Shown]:
    """All files, those of one label with their seeds in it."""
    seeds: dict[str, set[int]] = {}
    for shown in every:
        seeds.setdefault(shown.label, set()).add(shown.run.info.seed)
    return [replace(s, label=f"{s.label} seed {s.run.info.seed}") if len(seeds[s.label]) > 1 else s for s in every]


def first_seeds(every: Sequence[Shown]) -> list[Shown]:
    """One file a label: the lowest seed's."""
    chosen: dict[str, Shown] = {}
    for shown in sorted(every, key=lambda s: s.run.info.seed):
        chosen.setdefault(shown.label, shown)
    return list(chosen.values())


def rows(
    every: Sequence[Shown], data_root: Path, images: int = ROWS, *, chosen: Sequence[int] | None = None, why: str = ""
) -> list[GalleryRow]:
    """The gallery rows of one data set: the rows that are chosen, else the first images of evenly spaced classes."""
    first = every[0].maps
    try:
        dataset = reload(first, data_root)
    except DataError as e:
        say(f"gallery: {e}")
        return []
    if dataset.fingerprint != first.job["data"]:
        say(f"gallery: {dataset.name} is not the data that the heatmaps of {every[0].run.name} were made from; left out.")
        return []
    view = view_of(first)
    wanted = of_classes(dataset, images) if chosen is None else chosen
    made = []
    for row in wanted:
        shown = [s for s in every if np.isfinite(s.maps.maps[row]).all()]  # an image may have no map
        drawn, predictions = (
            {s.label: s.maps.maps[row] for s in shown},
            {s.label: prediction_of(s, row, dataset) for s in shown},
        )
        seen, factor = photograph(dataset, row, view)
        boxes = [
            (factor * x0, factor * y0, factor * x1, factor * y1) for x0, y0, x1, y1 in boxes_in_view(dataset, row, view)
        ]
        made.append(GalleryRow(seen, heading(int(first.target[row]), dataset, row), boxes, drawn, predictions, why))
    return made


def heading(explained: int, dataset: Dataset, row: int) -> str:
    """The explained class where it is a right one, else the image's own: what a network says wrongly is no heading."""
    sample = dataset.samples[row]
    return plain(dataset.classes[explained if explained in sample.right else sample.label])


def prediction_of(shown: Shown, row: int, dataset: Dataset) -> Prediction:
    """What a network says of an image: its best class, whether that is a right one, and its probability.

    Where several classes may be right at once, no softmax over them is a probability.
    """
    best, logits = int(shown.maps.prediction[row]), torch.from_numpy(shown.maps.logits[row]).double()
    probability = None if dataset.multilabel else float(logits.softmax(0)[best])
    return Prediction(plain(dataset.classes[best]), best in dataset.samples[row].right, probability)
