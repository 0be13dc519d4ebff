"""What a training costs a method: its steps in units of a forward pass, by operations, counted, and by seconds, measured.

The step is the loop's, of every phase of an epoch; the forward pass is of the same network on as many images, in eval mode
and without a graph. Beside them stand the passes that the plan reckons with (`reproduce --dry-run`).
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.pairs import interleave, ratio
from benchmarks.settings import Settings
from benchmarks.training_steps import ARCH, BATCH, OURS, SIZE, Case, batch_of, case_of, steps
from cambench.objectives import make
from cambench.recipes import load as recipes
from cambench.stages.reproducing.cost import passes
from cambench.stages.training.loop import learning

FORWARD, STEP = "forward pass", "training step"


@dataclass(frozen=True)
class Cost:
    """A method's steps in forward passes: as the plan reckons, by operations, by seconds (wall, CPU)."""

    method: str
    planned: float
    operations: float
    wall: float = 0.0
    cpu: float = 0.0


def phases(case: Case) -> list[Case]:
    """The case, and that of the pass that follows in every epoch, if its objective has one."""
    if case.objective.then is None:
        return [case]
    objective, _ = make(case.objective.then, {})
    recipe = case.recipe.model_copy(update={"objective": objective.name, "objective_settings": {}})
    image = next(iter(case.batch.views.values()))
    batch = batch_of(objective, image.shape[2], len(image))
    return [case, replace(case, objective=objective, recipe=recipe, batch=batch)]


def contestants(case: Case, folder: Path) -> dict[str, Callable[[], object]]:
    """A forward pass, and the steps of all phases."""
    model, image = case.network.model, next(iter(case.batch.views.values()))
    acts = [(phase.recipe.model.frozen or phase.objective.frozen, steps(phase, folder)[OURS]) for phase in phases(case)]

    def forward() -> None:
        training = model.training
        with torch.no_grad():
            model.eval()(image)
        model.train(training)

    def step() -> None:
        for frozen, act in acts:
            with learning(model, frozen):
                act()

    return {FORWARD: forward, STEP: step}


def operations(act: Callable[[], object]) -> int:
    """Floating point operations of products and convolutions, counted."""
    with FlopCounterMode(display=False) as counter:
        act()
    return int(counter.get_total_flops())


def counted(method: str, arch: str = ARCH, size: int = SIZE, n: int = 2) -> Cost:
    """A method's cost by its operations."""
    case = case_of(method, arch, size, n)
    with tempfile.TemporaryDirectory() as folder:
        acts = contestants(case, Path(folder))
        forward, step = (operations(acts[name]) for name in (FORWARD, STEP))
    return Cost(method, passes(case.recipe.model_dump()), step / forward)


def measured(method: str, rounds: int) -> Cost:
    """A method's cost by its operations and by its seconds."""
    case = case_of(method, ARCH, SIZE, BATCH)
    with tempfile.TemporaryDirectory() as folder:
        times = interleave(contestants(case, Path(folder)), rounds)
    wall, cpu = ratio(times[STEP], times[FORWARD])
    return replace(counted(method), wall=wall, cpu=cpu)


def run(settings: Settings) -> None:
    """Print every method's cost, and save them as `training-costs.csv`."""
    print(f"\ntraining steps in forward passes, {ARCH}, {SIZE} px, batch {BATCH}")
    columns = ("method", "planned", "operations", "seconds", "CPU seconds")
    print(f"{columns[0]:<28}" + "".join(f"{name:>13}" for name in columns[1:]))
    rows: list[list[str]] = []
    for method in settings.methods or recipes.METHODS:
        cost = measured(method, settings.rounds)
        numbers = [f"{number:.2f}" for number in (cost.planned, cost.operations, cost.wall, cost.cpu)]
        rows.append([method, *numbers])
        print(f"{method:<28}" + "".join(f"{number:>13}" for number in numbers), flush=True)
    path = settings.results / "training-costs.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:  # when all is measured: a cut run leaves the file of before
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])
