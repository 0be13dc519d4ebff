"""The gallery of a report: a few images of each data set, with the heatmaps of every method side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cambench import data
from cambench.data.loader import eval_batches
from cambench.data.regions import boxes_in_view
from cambench.data.views import View
from cambench.pixels import Normalisation, to_pixels
from cambench.report.html import GalleryRow
from cambench.stages.progress import say
from cambench.store.heatmaps import Heatmaps, read_heatmaps
from cambench.store.runs import Run
from cambench.vocabulary import DataError, Dataset

ROWS = 8
VIEWS = ("resize-center-crop", "full", "resize")  # which view's maps to show, best first


@dataclass(frozen=True)
class Shown:
    """A heatmap file of a run, to be shown under a label."""

    run: Run
    maps: Heatmaps
    label: str


def gallery(runs: Sequence[Run], results: Path, data_root: Path) -> list[GalleryRow]:
    """Up to eight images a data set, spread over its classes; the first seed of every method × explainer × target.

    Only maps of one view and of the same images stand side by side. A data set that is not here is left out, and said.
    """
    made = (rows(first_seeds(found), data_root) for found in side_by_side(runs, results))
    return [row for part in made for row in part]


def side_by_side(runs: Sequence[Run], results: Path) -> list[list[Shown]]:
    """The heatmaps of the runs that may stand side by side: for each set of images, those of the view with the most maps.

    Two views that differ only in how they normalise colours show the same picture.
    """
    groups: dict[tuple[str, str], list[Shown]] = {}
    for run in runs:
        for path in sorted((results / "heatmaps" / run.name).glob("*.h5")):
            shown = read_heatmaps(path)
            key = (shown.job["data"], str({k: v for k, v in shown.job["view"].items() if k not in Normalisation._fields}))
            groups.setdefault(key, []).append(Shown(run, shown, label(run, shown.job)))
    best: dict[str, list[Shown]] = {}
    for (fingerprint, _), found in sorted(groups.items(), key=lambda item: rank(item[1])):
        best.setdefault(fingerprint, found)
    return list(best.values())


def rank(found: Sequence[Shown]) -> tuple[int, int]:
    """Sort key: the most maps side by side, then the preferred view."""
    return -len({s.label for s in found}), VIEWS.index(found[0].maps.job["view"]["kind"])


def label(run: Run, job: dict[str, Any]) -> str:
    """What stands above a column of the gallery."""
    target = "" if job["target"] == "logit" else f" {job['target']}"
    epoch = f" {job['epoch']} epoch" if "epoch" in job else ""
    arch = run.info["arch"].removeprefix("torchvision:").removeprefix("python:")
    return f"{run.info['method']} {arch} {job['explainer']}{target}{epoch}"


def first_seeds(found: Sequence[Shown]) -> list[Shown]:
    """One file a label: the lowest seed's."""
    chosen: dict[str, Shown] = {}
    for shown in sorted(found, key=lambda s: s.run.info["seed"]):
        chosen.setdefault(shown.label, shown)
    return list(chosen.values())


def rows(found: Sequence[Shown], data_root: Path, images: int = ROWS) -> list[GalleryRow]:
    """The gallery rows of one data set: as many images, spread over it."""
    first = found[0].maps
    try:
        dataset = open_data(first, data_root)
    except DataError as e:
        say(f"gallery: {e}")
        return []
    if dataset.fingerprint != first.job["data"]:
        say(f"gallery: {dataset.name} is not the data that the heatmaps of {found[0].run.name} were made from; left out.")
        return []
    view = view_of(first)
    chosen = spaced(range(len(dataset)), images)
    made = []
    for batch in eval_batches(dataset, view, batch_size=1, device="cpu", workers=0, cache=None, rows=chosen):
        row = batch.rows[0]
        maps = {s.label: s.maps.maps[row] for s in found if np.isfinite(s.maps.maps[row]).all()}  # an image may have no map
        boxes, name = boxes_in_view(dataset, row, view), dataset.classes[int(first.target[row])]
        wrong = {s.label: dataset.classes[int(s.maps.prediction[row])] for s in found if errs(s, row)}
        made.append(GalleryRow(pixels(batch.image[0], view), caption(dataset, row, found), boxes, maps, name, wrong))
    return made


def errs(shown: Shown, row: int) -> bool:
    """Whether a network predicts another class than the one explained."""
    return bool(shown.maps.prediction[row] != shown.maps.target[row])


def open_data(maps: Heatmaps, data_root: Path) -> Dataset:
    """The images that a heatmap file was made from, by the specification stored in it."""
    return data.reload(maps.origin, data_root)


def spaced(wanted: Sequence[int], n: int) -> list[int]:
    """At most n of the rows, evenly spaced from the first to the last; file order goes class by class in most sets."""
    n = min(n, len(wanted))
    return [wanted[round(i * (len(wanted) - 1) / max(n - 1, 1))] for i in range(n)]


def view_of(maps: Heatmaps) -> View:
    """The view that a heatmap file's network looked through."""
    described: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in maps.job["view"].items()}
    return View(**described)


def pixels(image: torch.Tensor, view: View) -> NDArray[np.uint8]:
    """An image (3,H,W) as the view normalised it, as (H,W,3) uint8."""
    return (to_pixels(image, view.mean, view.std) * 255).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()


def caption(dataset: Dataset, row: int, found: Sequence[Shown]) -> str:
    """The image's class, and what each network says where it errs."""
    wrong = {s.run.info["method"]: dataset.classes[int(s.maps.prediction[row])] for s in found if errs(s, row)}
    said = "; ".join(f"{method} says {name}" for method, name in wrong.items())
    return dataset.classes[int(found[0].maps.target[row])] + (f" ({said})" if said else "")
