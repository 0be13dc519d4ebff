"""Add a run: a file of somebody's own weights under the name of its method, measured and shown like a trained run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cambench import data, models
from cambench.lookup import canonical
from cambench.models.source import source_of
from cambench.recipes import load as recipes
from cambench.recipes.schema import TrainingRecipe
from cambench.stages import identity, workplace
from cambench.stages.network import weights_hash
from cambench.stages.progress import say
from cambench.stages.training.new_run import folder
from cambench.stages.training.own import load_recipe
from cambench.store.checkpoints import save_checkpoint
from cambench.store.provenance import versions
from cambench.store.runs import Run, RunInfo, read_run
from cambench.vocabulary import Dataset, UsageError

KIND, LIKE = "added", "ce"
"""The kind of such a run, and the method whose input settings hold where its own has no recipe."""
GIVEN = "Weights given, not trained here"
READ = ("model.surgery", "model.layer", "input.")
"""Settings that say how a finished network is looked at; all others are of a training, of which nothing is known."""


@dataclass(frozen=True)
class Adding:
    """What `cambench add-run` was asked for. method: any name; one of a recipe here, or another that a table shows."""

    weights: Path
    method: str
    arch: str
    dataset: str
    seed: int = 0
    overrides: Sequence[str] = ()


def add_run(job: Adding, place: workplace.Place) -> Run:
    """The run of a file of weights, copied as `last.pt`; the same one again where it is there.

    Raises: UsageError where the file does not fit the architecture with as many classes as the data set has, or holds a
    number that is not finite; DataError where the data set's evaluation split, which names the classes, is not at hand.
    """
    if not job.method.strip():
        raise UsageError(f"--method {job.method!r}: expected the method of the weights, got no name.")
    recipe = settings(job)
    dataset = data.load(job.dataset, "eval", place.data)
    if not job.weights.is_file():
        raise UsageError(f"{job.weights}: expected a file of weights, found none there.")
    build = {"surgery": recipe.model.surgery, "weights": job.weights}
    state = models.build(recipe.arch, len(dataset.classes), **build).state_dict()  # type: ignore[arg-type]
    broken = [name for name, tensor in state.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise UsageError(f"{job.weights}: expected finite weights, got NaN or infinity in {broken[0]}.")
    info = described(job, recipe, dataset, weights_hash(state))
    path = folder(info, place)
    if (path / "run.json").exists():
        say(f"{path.name}: there already ({path})")
        return read_run(path)
    save_checkpoint(path / "last.pt", {"model": state, "epoch": 0})
    return Run(path, info).save()


def settings(job: Adding) -> TrainingRecipe:
    """The recipe from which a network is built and its input cut: the method's own, else that of `ce`.

    Raises: UsageError for a setting that is of a training.
    """
    for text in job.overrides:
        if not text.strip().startswith(READ):
            raise UsageError(f"--set {text}: expected {', '.join(READ)}…, since nothing is trained; leave it out.")
    known = canonical(job.method) in recipes.METHODS
    return load_recipe(job.method if known else LIKE, job.dataset.partition(":")[0], job.arch, job.overrides)


def looked_at(job: Adding, recipe: TrainingRecipe) -> dict[str, Any]:
    """What is known of the network: how it is built and what it looks at, and nothing of how it was trained."""
    written = recipe.model_dump(mode="json")
    model = {name: written["model"][name] for name in ("surgery", "layer")}
    return {"method": canonical(job.method), "arch": recipe.arch, "model": model, "input": written["input"]}


def described(job: Adding, recipe: TrainingRecipe, dataset: Dataset, weights: str) -> RunInfo:
    """What `run.json` says; its `given`, the file, stands in a footnote, since seeds of a method differ in it.

    weights: their hash.
    """
    network = looked_at(job, recipe)
    classes = {"dataset": dataset.kind, "classes": list(dataset.classes)}
    return RunInfo(
        kind=KIND,
        method=network["method"],
        arch=recipe.arch,
        seed=job.seed,
        dataset=dataset.name,
        data={"spec": data.settled(job.dataset), "classes": None, "draw": None},
        class_names=list(dataset.classes),
        comparable=dataset.comparable,
        deviations=[GIVEN],
        recipe=network,
        weights="given",
        given=job.weights.name,
        layer=recipe.model.layer or None,
        job=identity.of_added(network, weights, classes, job.seed, source_of(recipe.arch)),
        versions=versions(),
        finished=True,
    )
