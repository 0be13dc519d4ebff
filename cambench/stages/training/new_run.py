"""A training's run before its first epoch: its identity, its folder, what its `run.json` says."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cambench import data, models, processes, seeds
from cambench.data.episodes import Draw
from cambench.models.backbones import called
from cambench.models.source import source_of
from cambench.recipes.schema import TrainingRecipe
from cambench.stages import identity, workplace
from cambench.stages.divergence import base_warnings
from cambench.stages.network import CHECKPOINTS, weights_hash
from cambench.stages.training.focus import departures
from cambench.stages.training.lessons import Lessons
from cambench.stages.training.own import OWN, footnotes
from cambench.stages.training.shared_epochs import FILES
from cambench.store.checkpoints import load_checkpoint
from cambench.store.keys import file_hash, job_key
from cambench.store.packs import inherited
from cambench.store.provenance import versions
from cambench.store.runs import Follower, Run, RunInfo, read_run

if TYPE_CHECKING:
    from cambench.stages.training.train import TrainJob


def drawn(recipe: TrainingRecipe, seed: int) -> Draw | None:
    """What the run's seed draws from the data set; None where every image counts with its label."""
    part = recipe.data
    if not part.shots and part.labelled == 1 and not part.held_out:
        return None
    return Draw(seed, part.shots, part.pool, part.labelled, part.held_out)


def folder(info: RunInfo, place: workplace.Place) -> Path:
    """<results>/runs/<dataset>-<method>-<arch>-s<seed>-<hash8>."""
    parts = (info.dataset, info.method, called(info.arch), f"s{info.seed}", job_key(info.job))
    return place.results / "runs" / "-".join(workplace.slug(part) for part in parts)


def identity_of(job: TrainJob, recipe: TrainingRecipe, lessons: Lessons) -> dict[str, Any]:
    """The identity of the training."""
    return identity.of_training(
        recipe.model_dump(mode="json"),
        lessons.dataset.fingerprint,
        job.seed,
        dataset=lessons.dataset.name,
        unlabelled=None if lessons.unlabelled is None else lessons.unlabelled.fingerprint,
        masks=None if lessons.masks is None else lessons.masks.fingerprint,
        weights=None if job.weights is None else file_hash(job.weights),
        source=source_of(recipe.arch),
        own=own_weights(job, recipe),
    )


def described(job: TrainJob, recipe: TrainingRecipe, lessons: Lessons, weights: str | None) -> RunInfo:
    """What `run.json` says at the beginning. weights: the initial ones in words that the seeds of a method share."""
    dataset, draw = lessons.dataset, drawn(recipe, job.seed)
    return RunInfo(
        kind="trained",
        method=recipe.method,
        arch=recipe.arch,
        seed=job.seed,
        dataset=dataset.name,
        data={
            "spec": data.settled(job.dataset),
            "classes": job.classes,
            "draw": None if draw is None else asdict(draw),
            "fingerprint": dataset.fingerprint,
            "drawn_from": dataset.drawn_from,
            "images": len(dataset),
        },
        class_names=list(dataset.classes),
        comparable=dataset.comparable,
        partial=list(dataset.notes),
        deviations=[*recipe.deviations, *departures(recipe), *inherited(job.weights), *footnotes(recipe, weights)],
        base_warnings=base_warnings(job.weights),
        recipe=recipe.model_dump(mode="json"),
        weights=weights,
        job=identity_of(job, recipe, lessons),
        versions=versions(),
    )


def own_weights(job: TrainJob, recipe: TrainingRecipe) -> str | None:
    """The hash of the weights that a network brings, which no file names; None where it begins with others."""
    if recipe.model.init != OWN or job.weights is not None:
        return None
    return weights_hash(models.build(recipe.arch, seed=seeds.derive(job.seed, "init")).state_dict())


def opened(path: Path, info: RunInfo, *, again: bool) -> Run:
    """The run of a folder, made with its `run.json` on first use; emptied where it begins again."""
    if (path / "run.json").exists() and not again:
        return read_run(path)
    for name in reversed(FILES):
        (path / name).unlink(missing_ok=True)
    for folder in path.glob("epoch-*"):
        shutil.rmtree(folder)
    return Run(path, info).save()


def shared(path: Path, make: Callable[[], Run]) -> Run:
    """A run that process 0 makes and writes; the others follow, once it has."""
    run = None if processes.rank() else make()
    info = processes.agreed(run and run.info)
    return Follower(path, info) if run is None else run


def ran_on(run: Run) -> list[int]:
    """On how many processes a run has been trained, one number after another; none where it was always one."""
    known = list(run.info.processes)
    now = processes.count()
    return known if now == (known or [1])[-1] else [*known, now]


def checkpoints(run: Run) -> dict[str, str]:
    """The hash of the weights in each of a run's checkpoints: what its maps and records name."""
    files = {name: run.path / f"{name}.pt" for name in CHECKPOINTS}
    return {name: weights_hash(load_checkpoint(file)["model"]) for name, file in files.items() if file.exists()}
