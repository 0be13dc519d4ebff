"""What the figures share: networks in front of the images that they explain, images as pictures, words and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from cambench import data
from cambench.data import decode
from cambench.data.loader import eval_batches
from cambench.data.regions import has_region, region_source, regions_in_view, window_of
from cambench.data.subsets import spaced
from cambench.data.views import View, in_words
from cambench.explainers import Explainer
from cambench.geometry import Windows, resample
from cambench.lookup import network_name
from cambench.pixels import to_pixels
from cambench.report import Table
from cambench.report.figures.panels import Row, panels
from cambench.report.figures.plots import sentences, without_common
from cambench.stages.images import make_view, open_data
from cambench.stages.network import LAST, Loaded, Ready, load_network, open_run
from cambench.stages.workplace import Place
from cambench.store.heatmaps import Heatmaps
from cambench.vocabulary import Batch, Dataset, UsageError, number_of

FINE = 288
"""Pixels of the longer side of a picture, at least."""
LEAST = 0.01
"""The least probability that is printed as a number."""


@dataclass(frozen=True)
class Drawn:
    """A figure, what it shows for a machine, and the table that it draws, where that may be printed as well."""

    figure: Figure
    shows: dict[str, Any]
    table: Table | None = None


@dataclass(frozen=True)
class Scene:
    """A run's network, ready for one explainer, and the images that it explains, as it sees them.

    label: what stands above its maps where there are several.
    """

    loaded: Loaded
    ready: Ready
    dataset: Dataset
    view: View
    label: str = ""

    def batches(self, place: Place, rows: Sequence[int] | None = None, size: int = 1) -> Iterator[Batch]:
        """The rows (None: all) as the network sees them, `size` at once."""
        return eval_batches(self.dataset, self.view, batch_size=size, rows=rows, **self.loaded.source(place))

    def heatmap(self, image: Tensor, target: str, label: int) -> Tensor:
        """The map (1,h,w) of a class of one image (1,3,H,W) at its native grid, raw and signed."""
        classes = torch.tensor([label], device=image.device)
        return self.ready.explain(image, target, classes, self.dataset).maps.float()

    def picture(self, image: Tensor) -> NDArray[np.uint8]:
        """An image (3,H,W) as the network sees it, as pixels (H,W,3)."""
        return pixels(image.cpu(), self.view)

    def name(self, label: int) -> str:
        """A class in words."""
        return plain(self.dataset.classes[label])

    def object_mask(self, row: int) -> NDArray[np.bool_] | None:
        """The object of an image in the view's pixels, by its segmentation or its boxes; None where neither is there."""
        source = region_source(self.dataset)
        if source is None or not has_region(self.dataset, row, source):
            return None
        mask: NDArray[np.bool_] = regions_in_view(self.dataset, row, self.view, source) == self.dataset.samples[row].label
        return mask

    def sample(self, row: int) -> dict[str, Any]:
        """An image for a machine: its id and its class."""
        sample = self.dataset.samples[row]
        return {"image": sample.id, "class": self.dataset.classes[sample.label]}


def networks(
    kind: str, runs: Sequence[str], dataset: str | None, place: Place, checkpoint: str = LAST
) -> tuple[list[Loaded], Dataset]:
    """The networks of the runs, each once, and the evaluation images that all of them look at.

    Raises: UsageError where they look at different images.
    """
    opened = {run.name: run for run in (open_run(spec, place) for spec in runs)}
    loaded = [load_network(run, place, checkpoint=checkpoint) for run in opened.values()]
    images = [open_data(one, place, dataset, "eval", None) for one in loaded]
    if len({data.fingerprint for data in images}) > 1:
        names = ", ".join(dict.fromkeys(f"{data.name} {data.split}" for data in images))
        raise UsageError(f"figure {kind}: expected runs on the same images, got {names}; choose with --dataset.")
    return loaded, images[0]


def scene(loaded: Loaded, explainer: Explainer, dataset: Dataset, view: str) -> Scene:
    """A network in front of a data set's images, seen through a kind of view."""
    return Scene(loaded, loaded.ready_for(explainer), dataset, make_view(view, loaded))


def labelled(scenes: Sequence[Scene]) -> tuple[list[Scene], str]:
    """The scenes with what tells them apart above their maps: method, network, seed and explainer; the words of all."""
    names = []
    for shown in scenes:
        info = shown.loaded.run.info
        names.append(f"{info.method} {network_name(info.arch)} s{info.seed} {shown.ready.entry.name}")
    short, shared = without_common(names)
    return [replace(shown, label=short[name]) for shown, name in zip(scenes, names, strict=True)], shared


@dataclass(frozen=True)
class Meaning:
    """What stands beside signed maps: the words at the ends of their colours, how to read them, what is outlined.

    amount: what the values of a map that is never negative are.
    """

    signs: tuple[str, str]
    maps: str
    amount: str = ""
    outlines: str = " Outlines: the annotated object."


def signed(scenes: Sequence[Scene], rows: Sequence[tuple[Row, dict[str, Any]]], meaning: Meaning, chosen: str) -> Drawn:
    """A figure of signed maps: a row an image, and beneath them everything that a reader must know.

    rows: each with what it shows, for a machine. chosen: which images these are, in words.
    """
    first, infos = scenes[0], {shown.loaded.run.name: shown.loaded.run.info for shown in scenes}
    layer = f", layer {first.ready.layer}" if first.ready.entry.at_layer else ""
    alone = f"Run {next(iter(infos))}, {first.ready.entry.name}{layer}"
    runs = alone if len(scenes) == 1 else f"Runs: {', '.join(infos)}"
    outlines = meaning.outlines if any(row.mask is not None for row, _ in rows) else ""
    notes = [
        f"{meaning.maps}{outlines}",
        *sentences([*infos.values()], first.dataset.notes),
        f"{first.dataset.name}, {first.dataset.split}: {chosen} {runs}. Shown is {in_words(first.view)}.",
    ]
    shows = {"runs": [*infos], "dataset": first.dataset.name, "notes": notes, "images": [facts for _, facts in rows]}
    return Drawn(panels([row for row, _ in rows], meaning.signs, notes, meaning.amount), shows)


def headings(names: Sequence[str], p: Sequence[float], *, numbered: bool = False) -> list[str]:
    """Each class's name and its probability, numbered t1, t2 … where lines beneath refer to it."""
    marks = [f"t{i}: " if numbered else "" for i in range(1, len(names) + 1)]
    return [f"{m}{n}\np {'' if q < LEAST else '= '}{chance(q)}" for m, n, q in zip(marks, names, p, strict=True)]


def chance(p: float) -> str:
    """A probability to two places."""
    return f"< {LEAST:g}" if p < LEAST else f"{p:.2f}"


def plain(name: str) -> str:
    """A class's name in words."""
    return name.replace("_", " ")


def evenly(dataset: Dataset, n: int) -> tuple[list[int], str]:
    """At most n rows of a data set, evenly spaced, and the sentence that says so."""
    every = range(len(dataset))
    return spaced(every, n), f"{min(n, len(every))} of {number_of(len(every), 'image')}, evenly spaced."


def of_classes(dataset: Dataset, n: int) -> list[int]:
    """At most n rows: the first image of each class in file order, of evenly spaced classes where there are more than n.

    With fewer classes, equally many first images of each.
    """
    own: dict[int, list[int]] = {}
    for row, sample in enumerate(dataset.samples):
        own.setdefault(sample.label, []).append(row)
    classes = spaced(sorted(own), n)
    return [row for c in classes for row in own[c][: max(1, n // len(classes))]]


def reload(maps: Heatmaps, data_root: Path) -> Dataset:
    """The images that a heatmap file was made from, by the specification stored in it."""
    return data.reload(maps.origin, data_root)


def view_of(maps: Heatmaps) -> View:
    """The view that a heatmap file's network looked through."""
    described: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in maps.job["view"].items()}
    return View(**described)


def pixels(image: Tensor, view: View) -> NDArray[np.uint8]:
    """An image (3,H,W) as the view normalised it, as (H,W,3) uint8."""
    return (to_pixels(image, view.mean, view.std) * 255).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()


def photograph(dataset: Dataset, row: int, view: View) -> tuple[NDArray[np.uint8], int]:
    """What a view shows of an image, (H,W,3) uint8, as fine as a picture needs, and how many times finer than the view.

    It is cut from the file by the window of the view: a network that sees 32×32 pixels shows where it looked all the same.
    """
    window, (height, width) = window_of(dataset, row, view)
    factor = max(1, ceil(FINE / max(height, width)))
    whole = decode.pixels(dataset.samples[row].path, dataset.banner)
    return cut(whole, window, (factor * height, factor * width)), factor


def cut(picture: NDArray[np.uint8], window: Windows, size: tuple[int, int]) -> NDArray[np.uint8]:
    """One window of a picture (H,W,3), resized to `size`."""
    planes = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float()
    return resample(planes, window, size)[0].round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
