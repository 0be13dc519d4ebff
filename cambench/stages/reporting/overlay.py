"""Loose pictures explained: what the network says of each, and the heatmap of its predicted class over it, one PNG each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from torch import Tensor

from cambench import objectives
from cambench.data import readers
from cambench.data.loader import eval_batches
from cambench.explainers import find_explainer
from cambench.files import atomic_path
from cambench.models.backbones import class_names as known_classes
from cambench.report.figures.drawing import overlay, read_image
from cambench.stages.images import count_outputs, make_view
from cambench.stages.network import Loaded
from cambench.stages.progress import say
from cambench.stages.reporting.figures.scene import photograph, plain
from cambench.stages.workplace import Place, slug
from cambench.targets import find_target
from cambench.vocabulary import DataError, Dataset, Sample, UsageError

Row = dict[str, Any]


@dataclass(frozen=True)
class OverlayJob:
    """Which maps, through which view, and the folder of the PNGs."""

    folder: Path
    explainers: Sequence[str]
    targets: Sequence[str]
    view: str = "resize-center-crop"
    batch_size: int = 32


def overlays(job: OverlayJob, loaded: Loaded, paths: Sequence[Path], place: Place) -> list[Row]:
    """Write the PNGs; one row a picture, explainer and target: the picture, the predicted class, its probability, the PNG.

    Raises: UsageError for an unknown explainer or target, or two pictures of one name; DataError where there is no picture.
    """
    for name in job.targets:
        find_target(name)
    pairs = [(find_explainer(explainer).name, target) for explainer, target in product(job.explainers, job.targets)]
    dataset = pictures(paths, class_names(loaded))
    return [row for explainer, target in pairs for row in of_pair(job, loaded, dataset, place, (explainer, target))]


def of_pair(job: OverlayJob, loaded: Loaded, dataset: Dataset, place: Place, pair: tuple[str, str]) -> Iterator[Row]:
    """The rows of one explainer and target, each once its PNG is written."""
    view, (explainer, target) = make_view(job.view, loaded), pair
    loaded.check_size(view.size)
    ready = loaded.ready_for(find_explainer(explainer))
    for batch in eval_batches(dataset, view, batch_size=job.batch_size, device=loaded.device, workers=place.workers):
        explained = ready.explain(batch.image, target, None, dataset)
        classes = explained.classes
        shares = probabilities(loaded, explained.logits).gather(1, classes[:, None])[:, 0].tolist()
        for row, heatmap, best, p in zip(batch.rows, explained.maps.cpu().numpy(), classes.tolist(), shares, strict=True):
            sample = dataset.samples[row]
            file = job.folder / f"{sample.id}.{slug(explainer.replace('+', '-plus'))}.{slug(target)}.png"
            with atomic_path(file) as temporary:
                overlay(read_image(photograph(dataset, row, view)[0]), heatmap).save(temporary, "PNG")
            name = plain(dataset.classes[best])
            say(f"{sample.path}: {name}, {p:.1%} ({explainer} {target})")
            maps = {"explainer": explainer, "target": target, "layer": ready.layer, "file": str(file)}
            yield {"picture": str(sample.path), "class": name, "probability": p, **maps}


def probabilities(loaded: Loaded, logits: Tensor) -> Tensor:
    """Logits (N,C) -> probabilities (N,C): a softmax, or each class's own where the run learnt several at once."""
    objective = objectives.INDEX.get(loaded.run.info.recipe.get("objective", ""))
    return logits.sigmoid() if objective is not None and objective.multilabel else logits.softmax(1)


def class_names(loaded: Loaded) -> tuple[str, ...]:
    """The names of the network's classes: those that it was trained on, those of its library's weights, else numbers."""
    outputs, names = count_outputs(loaded), loaded.run.info.class_names or known_classes(loaded.run.info.arch)
    return tuple(names) if len(names) == outputs else tuple(f"class {k}" for k in range(outputs))


def pictures(paths: Sequence[Path], classes: tuple[str, ...]) -> Dataset:
    """The pictures themselves, and every picture below the folders, as images without a label.

    Raises: DataError for a path without a picture; UsageError for two whose PNGs would have one name.
    """
    named: dict[str, Path] = {}
    for path in paths:
        inside = {name: path / name for name in readers.images_in(path)} if path.is_dir() else {path.name: path}
        if not inside or not next(iter(inside.values())).is_file():
            raise DataError(f"{path}: expected a picture or a folder of pictures, found none there.")
        for name, file in inside.items():
            key = slug(name.rpartition(".")[0] or name)
            if key in named:
                raise UsageError(
                    f"--overlay: expected one picture of a name, got {named[key]} and {file}; show one at once."
                )
            named[key] = file
    samples = tuple(Sample(key, file, -1) for key, file in named.items())
    return Dataset("pictures", "all", Path(), classes, samples)
