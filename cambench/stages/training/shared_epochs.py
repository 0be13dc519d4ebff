"""A run may take over its first epochs from another run whose training is the same until then."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cambench import objectives
from cambench.files import atomic_folder, atomic_path
from cambench.objectives import Objective
from cambench.recipes.schema import TrainingRecipe, first_epoch
from cambench.stages.progress import say
from cambench.store.checkpoints import save_checkpoint
from cambench.store.runs import Run, read_runs

FILES = ("log.jsonl", "best.pt", "last.pt")
"""What a training continues from, in the order in which it is written: without `last.pt` the others do not count."""


def kept(run: Run, epoch: int) -> Path:
    """Where a run keeps its state after an epoch."""
    return run.path / f"epoch-{epoch}"


def keep(run: Run, epoch: int, state: dict[str, Any]) -> None:
    """Keep the log, the best state and this one for trainings that are the same until here."""
    with atomic_folder(kept(run, epoch)) as folder:
        for name in FILES[:-1]:
            if (run.path / name).exists():
                shutil.copyfile(run.path / name, folder / name)
        save_checkpoint(folder / "last.pt", state)


def begin(run: Run, objective: Objective, recipe: TrainingRecipe, results: Path) -> Run:
    """A run that has not begun takes over its epochs before `start` from a run that keeps them, if there is one.

    The weights are bit for bit those that it would have trained, and `run.json` names the other run.
    """
    name = objective.until_start
    if name is None or (run.path / "last.pt").exists():
        return run
    epoch = last_shared(recipe)
    source = keeper(run.info.job, name, epoch, results)
    if source is None:
        return run
    run = run.save(began_from={"run": source.name, "epoch": epoch})
    for file in FILES:
        if (kept(source, epoch) / file).exists():
            with atomic_path(run.path / file) as temporary:
                shutil.copyfile(kept(source, epoch) / file, temporary)
    say(f"{run.name}: begins from {source.name}, which is the same training until epoch {epoch}")
    return run


def last_shared(recipe: TrainingRecipe) -> int:
    """The last epoch before `start`, below 1 where there is none."""
    return first_epoch(recipe.objective_settings["start"], recipe.train.epochs) - 1


def keeper(identity: Mapping[str, Any], objective: str, epoch: int, results: Path) -> Run | None:
    """A run of this objective that is the same training until `start` and keeps its state after the epoch."""
    return next((r for r in read_runs(results) if is_same(r, identity, objective) and kept(r, epoch).is_dir()), None)


def is_same(other: Run, identity: Mapping[str, Any], objective: str) -> bool:
    """Whether another run, of this objective, is the same training until `start`; one that was rounded on its way is not."""
    if other.info.kind != "trained" or other.info.recipe["objective"] != objective:
        return False
    same = beginning(other.info.job, objective) == beginning(identity, objective)
    return same and not other.info.rounded_after


def beginning(identity: Mapping[str, Any], objective: str) -> dict[str, Any]:
    """What a run's identity says of its epochs before `start`, when its objective is this one: no names, no explained layer,
    and this objective's settings alone.
    """
    settings = objectives.find_objective(objective).settings.model_fields
    recipe = {key: value for key, value in identity["recipe"].items() if key not in ("method", "objective")}
    recipe["model"] = {key: value for key, value in recipe["model"].items() if key != "layer"}
    recipe["objective_settings"] = {k: v for k, v in recipe["objective_settings"].items() if k in settings}
    return {**identity, "recipe": recipe}
