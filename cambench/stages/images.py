"""The images on which a run is explained or evaluated, and the view that its network has of them."""

from __future__ import annotations

from pathlib import Path

import torch

from cambench import data
from cambench.data import episodes
from cambench.data.by_name import CLASSES, in_own_order, matched, named_as, wrong_count
from cambench.data.class_sets import with_file
from cambench.data.views import View, check_still
from cambench.models.backbones import class_names
from cambench.pixels import RAW, normalisation_of
from cambench.stages import workplace
from cambench.stages.network import Loaded
from cambench.stages.progress import say
from cambench.store.runs import Run
from cambench.vocabulary import Dataset, UsageError, listed


def open_data(
    loaded: Loaded,
    place: workplace.Place,
    dataset: str | None,
    split: str,
    limit: int | None,
    sets: Path | None = None,
    *,
    map_classes: bool = False,
    evenly: int | None = None,
) -> Dataset:
    """The split on which a run is explained or evaluated (`open_split`), its classes those of the network's outputs.

    Those of a given network whose library knows what its outputs are called go by name, where every class is so called.
    sets: a file of class sets, one family more.
    Raises: as `open_split`; UsageError where the network has another number of outputs.
    """
    images = open_split(loaded.run, place.data, dataset, split, limit, map_classes=map_classes, evenly=evenly)
    outputs, info = count_outputs(loaded), loaded.run.info
    names = () if info.class_names else class_names(info.arch)
    names = names if len(names) == outputs else ()
    images = named_as(images, names, some=map_classes)
    if outputs != len(images.classes):
        raise wrong_count(images, outputs, loaded.run.name, names)
    if not (info.class_names or names) and in_own_order(images):
        say(f"{loaded.run.name}: its outputs are taken to be {listed(images.classes)}; where they are not, write {CLASSES}")
    return images if sets is None else with_file(images, sets)


def open_split(
    run: Run,
    root: Path,
    dataset: str | None,
    split: str,
    limit: int | None = None,
    *,
    map_classes: bool = False,
    evenly: int | None = None,
) -> Dataset:
    """A split as a run numbers its classes: of the run's own data set unless another is named.

    Its classes are matched by name with those that the run was trained on. map_classes: whether some common classes are
    enough.
    Raises: DataError for what is not there; UsageError if no data is known or its classes have other names.
    """
    own, spec = run.info.data, spec_of(run, dataset)
    mine = own if spec == own.get("spec") else {}
    draw = episodes.from_dict(mine.get("draw"))
    images = data.load(spec, split, root, classes=mine.get("classes"), limit=limit, evenly=evenly, draw=draw)
    names = run.info.class_names
    return matched(images, names, run.name, some=map_classes) if names else images


def spec_of(run: Run, dataset: str | None) -> str:
    """The data set that is named, else the run's own. Raises: UsageError where neither is known."""
    spec = dataset or run.info.data.get("spec")
    if spec is None:
        raise UsageError(f"{run.name}: expected --dataset, since a given network belongs to no data set.")
    return data.settled(spec)


def count_outputs(loaded: Loaded) -> int:
    """The number of logits of the network."""
    return loaded.logits(torch.zeros(1, 3, loaded.size, loaded.size, device=loaded.device)).shape[1]


def make_view(kind: str, loaded: Loaded, scale: float = 1.0, *, raw: bool = False) -> View:
    """An evaluation view at the run's input size times `scale`; the run's own resize side where its recipe names one.

    A central crop is made as the run's own evaluation makes it, and colours are normalised as in its training; those of a
    given network as it declares, else as ImageNet's; `raw` ones stay pixels of [0,1].
    Raises: as `check_still`.
    """
    check_still(kind)
    recipe = loaded.input
    if kind == "resize-center-crop":
        kind = recipe.get("evaluation", kind)
    size, own = round(loaded.size * scale), RAW if raw else normalisation_of(recipe)
    resampling = {k: recipe[k] for k in ("interpolation",) if k in recipe}
    return View(kind=kind, size=size, resize=recipe.get("resize") or None, mean=own.mean, std=own.std, **resampling)
