"""Train one run: method × data set × architecture × seed, or go on with it, or see that it is finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cambench import data, models, objectives, seeds
from cambench.data.views import RANDOM, View
from cambench.explainers.probe import default_layer, find_layer, gap_linear_head
from cambench.objectives.network import Network
from cambench.recipes import load as recipes
from cambench.recipes.schema import Input, TrainingRecipe
from cambench.stages import jobs
from cambench.stages.loop import Loop
from cambench.stages.progress import say
from cambench.store.keys import file_hash, job_key
from cambench.store.provenance import device_name, versions
from cambench.store.runs import Run, read_run
from cambench.vocabulary import Dataset, UsageError

SCHEMA = 1


@dataclass(frozen=True)
class TrainJob:
    """What `cambench train` was asked for. `overrides` are `a.b=value` texts; `weights` a file for the initial weights."""

    method: str
    dataset: str
    arch: str | None = None
    seed: int = 0
    classes: int | None = None
    weights: Path | None = None
    overrides: Sequence[str] = ()


def train(job: TrainJob, place: jobs.Place) -> Run:
    """Train until the recipe's last epoch, beginning where an earlier call of the same job stopped.

    Raises: UsageError, DataError, CambenchError (a loss that is not finite, a full disk); finished epochs stay on disk.
    """
    recipe = recipes.load(job.method, job.dataset.partition(":")[0], job.arch, job.overrides)
    objective, step = objectives.make(recipe.objective, recipe.objective_settings)
    dataset = data.load(job.dataset, "train", place.data, classes=job.classes)
    run = open_run(job, recipe, dataset, place)
    if run.finished:
        say(f"{run.name}: finished already ({run.path})")
        return run
    model = build(job, recipe, dataset, place)
    layer, head = explained_layer(model, recipe)
    say(f"{run.name}: {len(dataset)} images, {len(dataset.classes)} classes, explained layer {layer}")
    device = jobs.device(place.device)
    run = run.save(layer=layer, device=device_name(device))
    network = Network(prepare(model, recipe, device), layer, head, recipe.train.precision)
    views = {name: view(kind, recipe.input) for name, kind in objective.views.items()}
    loop = Loop(run, recipe, network, step, seed=job.seed)
    loop.train(
        dataset, views, validation(job, recipe, dataset, place), device=device, workers=place.workers, cache=cache(place)
    )
    seconds = sum(epoch["seconds"] for epoch in loop.log)
    peak = torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else None
    return run.save(finished=True, seconds=round(seconds, 1), peak_memory_bytes=peak)


def open_run(job: TrainJob, recipe: TrainingRecipe, dataset: Dataset, place: jobs.Place) -> Run:
    """The run's folder: made with its `run.json` on first use, read on later calls."""
    settled = recipe.model_dump(mode="json", exclude={"summary", "source", "sources", "deviations"})
    identity = {"schema": SCHEMA, "recipe": settled, "data": dataset.fingerprint, "seed": job.seed}
    if job.weights is not None:
        if not job.weights.is_file():
            raise UsageError(f"--weights {job.weights}: expected a file of weights, found none there.")
        identity["weights"] = file_hash(job.weights)
    parts = (dataset.name, recipe.method, recipe.arch, f"s{job.seed}", job_key(identity))
    path = place.results / "runs" / "-".join(jobs.slug(p) for p in parts)
    if (path / "run.json").exists():
        return read_run(path)
    info = {
        "kind": "trained",
        "method": recipe.method,
        "arch": recipe.arch,
        "seed": job.seed,
        "dataset": dataset.name,
        "data": {"spec": job.dataset, "classes": job.classes, "fingerprint": dataset.fingerprint, "images": len(dataset)},
        "class_names": list(dataset.classes),
        "comparable": dataset.comparable,
        "partial": list(dataset.notes),
        "deviations": recipe.deviations,
        "recipe": recipe.model_dump(mode="json"),
        "weights": str(job.weights) if job.weights else None,
        "job": identity,
        "versions": versions(),
        "finished": False,
    }
    return Run(path, {}).save(**info)


def build(job: TrainJob, recipe: TrainingRecipe, dataset: Dataset, place: jobs.Place) -> nn.Module:
    """The network at its beginning. `init = imagenet` needs a file of weights or leave to download torchvision's."""
    weights: Path | str | None = job.weights
    if weights is None and recipe.model.init == "imagenet":
        weights = "torchvision"
    return models.build(
        recipe.arch,
        len(dataset.classes),
        surgery=recipe.model.surgery,
        weights=weights,
        download=place.download,
        head="replace",
        seed=seeds.derive(job.seed, "init"),
    )


def explained_layer(model: nn.Module, recipe: TrainingRecipe) -> tuple[str, nn.Linear | None]:
    """The layer that is explained, and the GAP + linear head above it (None where the head is anything else)."""
    image = torch.randn(1, 3, recipe.input.size, recipe.input.size, generator=seeds.generator("layer"))
    layer = recipe.model.layer or default_layer(model, image)
    find_layer(model, layer)
    return layer, gap_linear_head(model, layer, image)


def prepare(model: nn.Module, recipe: TrainingRecipe, device: str) -> nn.Module:
    """The model on its device and in its memory layout."""
    layout = torch.channels_last if recipe.train.channels_last else torch.contiguous_format
    return model.to(device=device, memory_format=layout)  # type: ignore[call-overload,no-any-return]


def view(kind: str, recipe: Input) -> View:
    """A training view of the recipe's input; only random views are flipped: the query is un-augmented (CGC spec §1.2)."""
    flip = recipe.flip if kind in RANDOM else 0.0
    return View(kind, recipe.size, recipe.resize or None, recipe.scale, recipe.ratio, flip)


def validation(job: TrainJob, recipe: TrainingRecipe, dataset: Dataset, place: jobs.Place) -> Dataset | None:
    """The split on which top-1 is followed after every epoch, None where the recipe does without."""
    if not recipe.train.validate_epochs:
        return None
    held_out = data.load(job.dataset, "eval", place.data, classes=job.classes)
    return None if held_out.split == dataset.split else held_out


def cache(place: jobs.Place) -> Path:
    """Where decoded images of small sets wait between runs."""
    return place.results / "cache"


def summary(run: Run) -> Mapping[str, Any]:
    """What a person wants to know of a finished run: its last epoch and where it is."""
    return {"run": run.name, "path": str(run.path), **run.log()[-1]}
