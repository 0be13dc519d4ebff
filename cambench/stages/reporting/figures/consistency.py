"""The figure `consistency`: an image and a crop of it, each with its heatmap under every method, as CGC's Figure 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from cambench import geometry, seeds
from cambench.data.loader import eval_batches
from cambench.explainers import find_explainer
from cambench.losses.cgc import paired_windows
from cambench.pixels import to_input, to_pixels
from cambench.report.formats.html import GalleryRow, Prediction
from cambench.stages.network import LAST, load_network
from cambench.stages.reporting.figures.qualitative import gridded, pick
from cambench.stages.reporting.figures.scene import Drawn, cut, of_classes, photograph, plain, reload, view_of
from cambench.stages.reporting.gallery import Shown, rows
from cambench.stages.workplace import Place
from cambench.vocabulary import Box, Dataset

CROP = "its crop"


def consistency(runs: Sequence[str], place: Place, *, dataset: str | None, images: int, explainer: Sequence[str]) -> Drawn:
    """The runs' stored maps side by side, and beside each image its crop. Raises: as `qualitative`."""
    shown = pick("consistency", runs, dataset, place.results, explainer, one_size=True)
    return gridded("consistency", shown, pairs(shown, place, images))


def pairs(shown: Sequence[Shown], place: Place, images: int) -> list[GalleryRow]:
    """Each image, and beside it its crop T(x), drawn as the CGC training draws it, explained for the same class."""
    originals = rows(shown, place.data, images)
    if not originals:
        return []
    first = shown[0].maps
    dataset, view = reload(first, place.data), view_of(first)
    chosen = of_classes(dataset, images)
    source: dict[str, Any] = {"device": "cpu", "workers": 0, "cache": place.results / "cache"}
    batch = next(eval_batches(dataset, view, batch_size=len(chosen), rows=chosen, **source))
    size = (batch.image.shape[2], batch.image.shape[3])
    windows = paired_windows(len(chosen), size, seeds.generator("consistency figure"))
    unit = to_pixels(geometry.resample(batch.image, windows, size), view.mean, view.std)
    answers = {s.label: explained(s, unit, batch.rows, dataset, place) for s in shown}
    made = []
    for i, (row, original) in enumerate(zip(batch.rows, originals, strict=True)):
        maps = {label: heatmaps[i].numpy() for label, (heatmaps, _) in answers.items()}
        best = {label: int(predicted[i]) for label, (_, predicted) in answers.items()}
        predictions = {
            label: Prediction(plain(dataset.classes[c]), c in dataset.samples[row].right) for label, c in best.items()
        }
        whole, factor = photograph(dataset, row, view)
        fine, large = times(windows, factor), (whole.shape[0], whole.shape[1])
        boxes = [box for b in original.boxes if (box := moved(b, fine, i, large))]
        made += [original, GalleryRow(cut(whole, fine[i : i + 1], large), CROP, boxes, maps, predictions)]
    return made


def explained(shown: Shown, images: Tensor, rows: Sequence[int], dataset: Dataset, place: Place) -> tuple[Tensor, Tensor]:
    """The maps (N,h,w) of the images for the classes of the heatmap file's rows, and what the network predicts (N,).

    images: (N,3,H,W) pixels in [0,1], which the network sees as its own view normalises them.
    """
    job, own = shown.maps.job, view_of(shown.maps)
    epoch = job.get("epoch", LAST)
    loaded = load_network(shown.run, place, layer=job["layer"], precision=job["precision"], checkpoint=epoch)
    classes = torch.tensor([int(shown.maps.target[row]) for row in rows], device=loaded.device)
    seen = to_input(images, own.mean, own.std).to(loaded.device)
    answer = loaded.ready_for(find_explainer(job["explainer"])).explain(seen, job["target"], classes, dataset)
    return answer.maps.float().cpu(), answer.logits.argmax(1).cpu()


def times(windows: geometry.Windows, factor: int) -> geometry.Windows:
    """The windows of images that are `factor` times as fine."""
    edges = {name: factor * getattr(windows, name) for name in ("top", "left", "height", "width")}
    return replace(windows, **edges)


def moved(box: Box, windows: geometry.Windows, index: int, size: tuple[int, int]) -> Box | None:
    """A box of the image in the pixels of its crop; None where nothing of it is left."""
    every = torch.tensor([box], dtype=torch.float64).expand(len(windows.top), 4)
    x0, y0, x1, y1 = geometry.move_box(every, windows, size)[index].tolist()
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None
