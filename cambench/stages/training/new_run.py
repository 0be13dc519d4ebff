"""What a training's `run.json` says before its first epoch, and the identity that names its folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cambench import data, models, seeds
from cambench.data.episodes import Draw
from cambench.models.source import source_of
from cambench.recipes.schema import TrainingRecipe
from cambench.stages import identity, workplace
from cambench.stages.divergence import base_warnings
from cambench.stages.network import weights_hash
from cambench.stages.training.batches import Lessons
from cambench.stages.training.focus import departures
from cambench.stages.training.own import OWN, footnotes
from cambench.store.keys import file_hash, job_key
from cambench.store.packs import inherited
from cambench.store.provenance import versions

if TYPE_CHECKING:
    from cambench.stages.training.train import TrainJob


def drawn(recipe: TrainingRecipe, seed: int) -> Draw | None:
    """What the run's seed draws from the data set; None where every image counts with its label."""
    wanted = recipe.data
    if not wanted.shots and wanted.labelled == 1 and not wanted.held_out:
        return None
    return Draw(seed, wanted.shots, wanted.pool, wanted.labelled, wanted.held_out)


def described(
    job: TrainJob, recipe: TrainingRecipe, lessons: Lessons, place: workplace.Place, weights: str | None
) -> tuple[Path, dict[str, Any]]:
    """The run's folder, and what its `run.json` says at the beginning.

    weights: the initial weights in words that the seeds of a method share.
    """
    dataset, draw = lessons.dataset, drawn(recipe, job.seed)
    known = identity.of_training(
        recipe.model_dump(mode="json"),
        dataset.fingerprint,
        job.seed,
        dataset=dataset.name,
        unlabelled=None if lessons.unlabelled is None else lessons.unlabelled.fingerprint,
        masks=None if lessons.masks is None else lessons.masks.fingerprint,
        weights=None if job.weights is None else file_hash(job.weights),
        source=source_of(recipe.arch),
        own=own_weights(job, recipe),
    )
    parts = [workplace.slug(p) for p in (dataset.name, recipe.method, recipe.arch, f"s{job.seed}", job_key(known))]
    path = place.results / "runs" / "-".join(parts)
    info = {
        "kind": "trained",
        "method": recipe.method,
        "arch": recipe.arch,
        "seed": job.seed,
        "dataset": dataset.name,
        "data": {
            "spec": data.settled(job.dataset),
            "classes": job.classes,
            "draw": None if draw is None else asdict(draw),
            "fingerprint": dataset.fingerprint,
            "drawn_from": dataset.drawn_from,
            "images": len(dataset),
        },
        "class_names": list(dataset.classes),
        "comparable": dataset.comparable,
        "partial": list(dataset.notes),
        "deviations": [*recipe.deviations, *departures(recipe), *inherited(job.weights), *footnotes(recipe, weights)],
        "base_warnings": base_warnings(job.weights),
        "recipe": recipe.model_dump(mode="json"),
        "weights": weights,
        "job": known,
        "versions": versions(),
        "finished": False,
    }
    return path, info


def own_weights(job: TrainJob, recipe: TrainingRecipe) -> str | None:
    """The hash of the weights that a `python:` network brings, which no file names; None where it begins with others."""
    if recipe.model.init != OWN or job.weights is not None:
        return None
    return weights_hash(models.build(recipe.arch, seed=seeds.derive(job.seed, "init")).state_dict())
