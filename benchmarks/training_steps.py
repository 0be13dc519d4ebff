"""Every method's training step, as the loop makes it, against the bare passes through the network that it is defined by.

A step is all that the loop does with a batch: learning rate, terms of the objective, their backward passes, the look for
numbers that are not finite, the optimiser's update. The floor is the passes alone, with a plain cross-entropy above them,
and torch's update, each timed by itself. Networks have the recipe's surgery, 200 classes and random weights.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.pairs import Times, interleave, save, show, total
from benchmarks.settings import CLASSES, Settings, images
from cambench import models
from cambench.models.projection import project
from cambench.models.segmentation import segment
from cambench.models.spg import guidance_of
from cambench.objectives import Objective, make
from cambench.objectives.acol import parts
from cambench.objectives.network import Network
from cambench.recipes import load as recipes
from cambench.recipes.schema import TrainingRecipe
from cambench.stages.training.lessons import Lessons, Phase
from cambench.stages.training.loop import Loop, learning
from cambench.stages.training.train import explained_layer, prepare
from cambench.store.runs import Run
from cambench.vocabulary import Batch, Dataset, Sample, UsageError

ARCH, BATCH, SIZE, TARGET = "resnet18", 32, 64, 1.05
PIXELWISE = 20
"""Classes of a segmentation, SBD's: the scores of 200 at every pixel would cost more than the network."""
PASSES, UPDATE, OURS = "bare passes", "torch's update", "training step"
FLOOR = f"{PASSES} and {UPDATE}"
DATASET = "cub"
"""Whose recipe is taken: of a method's data sets the one that all know."""


@dataclass(frozen=True)
class Case:
    """One method on one network, and the batch that it learns from."""

    method: str
    recipe: TrainingRecipe
    objective: Objective
    network: Network
    batch: Batch


def learned(model: nn.Module, x: Tensor, forward: Callable[[nn.Module, Tensor], Tensor] | None = None) -> None:
    """A forward and a backward pass of x."""
    output = model(x) if forward is None else forward(model, x)
    label = torch.zeros(len(output), *output.shape[2:], dtype=torch.long)
    cross_entropy(output, label).backward()  # type: ignore[no-untyped-call]


def of_views(case: Case) -> None:
    """Every view learns, those of unlabelled images too."""
    for view in views(case.batch):
        learned(case.network.model, view)


def of_cgc(case: Case) -> None:
    """Every view learns, and the query's changed version."""
    of_views(case)
    learned(case.network.model, list(views(case.batch))[-1])


def of_gcc(case: Case) -> None:
    """The crop learns, and a composite of four."""
    of_views(case)
    learned(case.network.model, case.batch.views["crop"].repeat(1, 1, 2, 2))


def of_columns(case: Case, extra: int = 0) -> None:
    """Both random views, and so many copies of the first, go through encoder and projection head as one batch."""
    first, second = case.batch.views["first"], case.batch.views["second"]
    learned(case.network.model, torch.cat([first, second, *([first] * extra)]), project)


def of_excon(case: Case) -> None:
    """Beside the columns the explained, the masked and, for the statistics of batch norm, once more the plain images."""
    with torch.no_grad():
        for _ in range(3 if case.recipe.objective_settings["explain_bn"] == "train" else 2):
            case.network.model(case.batch.views["standard"])
    of_columns(case, extra=2 if case.recipe.objective_settings["background"] else 0)


def of_segmentation(case: Case) -> None:
    """The crop learns through trunk and segmentation head."""
    learned(case.network.model, case.batch.views["crop"], lambda model, x: segment(model, case.network.layer, x))


def of_acol(case: Case) -> None:
    """The crop learns through both classifiers."""

    def both(model: nn.Module, x: Tensor) -> Tensor:
        name, head, _ = parts(model)
        logits, (features,) = case.network.activations(x, (f"{name}.features",))
        return logits + head.second(features).mean((2, 3))

    learned(case.network.model, case.batch.views["crop"], both)


def of_spg(case: Case) -> None:
    """The crop learns through classifier and branches."""

    def every(model: nn.Module, x: Tensor) -> Tensor:
        guidance = guidance_of(model)
        assert guidance is not None
        logits, read = case.network.activations(x, guidance.sources)
        noise = torch.linspace(0, 1, logits.shape[1])  # lest the softmax take the branches away
        return logits + noise * sum(branch.mean((2, 3)) for branch in guidance(*read))

    learned(case.network.model, case.batch.views["crop"], every)


def views(batch: Batch) -> list[Tensor]:
    """All views of a batch, those of its unlabelled images last."""
    return [*batch.views.values(), *([] if batch.unlabelled is None else batch.unlabelled.views.values())]


@dataclass(frozen=True)
class Floor:
    """The passes of an objective, and how they read."""

    passes: Callable[[Case], None]
    words: str


COLUMNS = "forward and backward of both random views as one batch"
FLOORS = {
    "cgc": Floor(of_cgc, "forward and backward of crop, query and its changed version"),
    "cgc-semi": Floor(of_cgc, "forward and backward of crop, unlabelled query and its changed version"),
    "gcc": Floor(of_gcc, "forward and backward of crop and of a composite of four"),
    "acol": Floor(of_acol, "forward and backward of the crop through trunk and both classifiers"),
    "spg": Floor(of_spg, "forward and backward of the crop through trunk, classifier and branches"),
    "supcon": Floor(of_columns, COLUMNS),
    "excon": Floor(
        of_excon, f"{COLUMNS}, in ExConB with all masked images; forward of images explained, masked, for batch norm"
    ),
    "segmentation": Floor(of_segmentation, "forward and backward of the crop through trunk and segmentation head"),
}
"""Objective -> its floor, where it is another than forward and backward of every view."""


def floor(objective: Objective) -> Floor:
    """The floor of an objective.

    Raises: UsageError where an objective's passes are not those of its views, and no floor is named.
    """
    if objective.name in FLOORS:
        return FLOORS[objective.name]
    names = [*objective.views, *objective.unlabelled]
    if objective.passes != (1 if objective.frozen else 3 * len(names)):
        raise UsageError(f"objective {objective.name}: expected its passes among FLOORS of {__name__}, found none.")
    return Floor(of_views, f"forward and backward of {' and '.join(names)}")


def case_of(method: str, arch: str, size: int, n: int) -> Case:
    """A method as its recipe has it, but for architecture, images and classes."""
    recipe = recipes.load(method, DATASET, arch, [f"input.size={size}", f"train.batch_size={n}"])
    objective, _ = make(recipe.objective, recipe.objective_settings)
    model = models.build(arch, classes_of(objective), surgery=recipe.model.surgery, seed=0)
    layer, head = explained_layer(model, recipe)
    network = Network(prepare(model, recipe, "cpu"), layer, head, recipe.train.precision, recipe.input.colours)
    return Case(method, recipe, objective, network, batch_of(objective, size, n))


def classes_of(objective: Objective) -> int:
    """How many classes a method learns here."""
    return PIXELWISE if objective.name == "segmentation" else CLASSES


def batch_of(objective: Objective, size: int, n: int) -> Batch:
    """A random batch with all that the objective asks for; every mask is a quarter of the image."""
    label, rows = torch.arange(n) % classes_of(objective), tuple(range(n))
    regions = torch.full((n, size, size), -1)
    regions[:, : size // 2, : size // 2] = label[:, None, None]
    unlabelled = Batch({name: images(n, size) for name in objective.unlabelled}, torch.full_like(label, -1), rows)
    beside = n * objective.negatives
    negatives = Batch({name: images(beside, size) for name in objective.views}, torch.zeros(beside), tuple(range(beside)))
    return Batch(
        {name: images(n, size) for name in objective.views},
        label,
        rows,
        unlabelled=unlabelled if objective.unlabelled else None,
        negatives=negatives if objective.negatives else None,
        regions=regions if objective.masks else None,
        targets=nn.functional.one_hot(label, CLASSES).float() if objective.multilabel else None,
        epoch=200,
        epochs=200,
    )


def steps(case: Case, folder: Path) -> dict[str, Callable[[], object]]:
    """The contestants: the passes of the floor, the loop's step on the case's batch, and the update that is part of it."""
    n = len(case.batch.rows)
    classes = tuple(str(c) for c in range(classes_of(case.objective)))
    dataset = Dataset("random", "train", folder, classes, tuple(Sample(str(i), folder, i) for i in range(n)))
    step = make(case.recipe.objective, case.recipe.objective_settings)[1]
    phase = Phase(step, Lessons(dataset, {}, n, 0, epochs=case.recipe.train.epochs), frozen=case.objective.frozen)
    loop = Loop(Run(folder / case.method), case.recipe, case.network, seed=0)
    passes = floor(case.objective).passes

    def bare() -> None:
        case.network.model.zero_grad(set_to_none=True)
        passes(case)

    return {PASSES: bare, OURS: lambda: loop.learn(phase, case.batch, {}, 0, 1), UPDATE: loop.optimizer.step}


def measured(method: str, settings: Settings, folder: Path) -> tuple[str, dict[str, Times]]:
    """A method's title and times."""
    case = case_of(method, ARCH, SIZE, BATCH)
    with learning(case.network.model, case.recipe.model.frozen or case.objective.frozen):
        times = interleave(steps(case, folder), settings.rounds)
    return f"{method}: {floor(case.objective).words}", {FLOOR: total(times[PASSES], times[UPDATE]), **times}


def run(settings: Settings) -> None:
    """Print every method's times beside its floor's, and save them as `training-steps.csv`."""
    print(f"\ntraining steps of {ARCH}, {SIZE} px, batch {BATCH}, {CLASSES} classes")
    tables: dict[str, dict[str, Times]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for method in settings.methods or recipes.METHODS:
            title, times = measured(method, settings, Path(folder))
            tables[title] = times
            show(title, times, FLOOR, {OURS: TARGET})
    save(settings.results / "training-steps.csv", tables, FLOOR, {OURS: TARGET})
