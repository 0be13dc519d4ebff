"""Estimate: what a job that is left will take – images, seconds, bytes – and what that was reckoned from.

Seconds come from measured throughput where a run or record of the same kind on the same device is on hand, of a training
also from a run of another method on the same network, in proportion to their passes; else from floating point operations
(one forward pass, counted) × passes an image ÷ the device's rate (`devices`).
"""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from cambench import data, models, objectives
from cambench.data.episodes import HELD_OUT
from cambench.explainers import find_explainer
from cambench.metrics import find_metric
from cambench.models.backbones import DECLARING
from cambench.models.habits import first_pass
from cambench.models.preprocessing import SIZE
from cambench.recipes.schema import TrainingRecipe, first_epoch
from cambench.stages import workplace
from cambench.stages.reproducing.devices import FLOAT32, chosen
from cambench.stages.reproducing.measurement import Measurement
from cambench.stages.reproducing.plan import Job, Network
from cambench.store.records import Record, read_records
from cambench.store.runs import Run, read_runs
from cambench.vocabulary import EXPLAINER, DataError, UsageError

FULL = 4 / 3
"""Pixels of an uncropped photograph in those of its central square."""
FLOAT = 4


@dataclass(frozen=True)
class Estimate:
    """What a job that is left takes. images: seen by training steps and by measurements. basis: see the module."""

    images: int
    seconds: float
    bytes: int
    basis: str


@dataclass(frozen=True)
class Cost:
    """Of one image through a network: operations of a forward pass; its weights; cells and channels of the last grid."""

    operations: float
    weights: int
    grid: int
    channels: int


@dataclass(frozen=True)
class Speed:
    """Images a second of a run's training, and what it depends on beside the method. epochs: the run's log."""

    run: Run
    epochs: Sequence[Mapping[str, float]]

    @property
    def images(self) -> float:
        """Images a second, the median over the epochs."""
        return median(epoch["images_per_second"] for epoch in self.epochs)

    @property
    def seen(self) -> float:
        """How many images it was measured on: a training of a few seconds is mostly its start."""
        return sum(epoch["images_per_second"] * epoch["seconds"] for epoch in self.epochs)

    @property
    def network(self) -> tuple[object, ...]:
        """Architecture, input size, precision."""
        recipe = self.run.info.recipe
        return recipe.get("arch"), recipe.get("input", {}).get("size"), recipe.get("train", {}).get("precision")


@dataclass
class Known:
    """What was measured on a device: finished epochs and records, those of most images first, read once.

    asked: the device, which need not be here.
    """

    place: workplace.Place
    asked: str | None = None
    speeds: list[Speed] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.on = chosen(self.asked, self.place.device)
        logs = {run.path: (run, run.log()) for run in read_runs(self.place.results) if self.on.is_it(run.info.device)}
        speeds = [Speed(run, epochs) for run, epochs in logs.values() if epochs]
        self.speeds = sorted(speeds, key=lambda speed: -speed.seen)
        records = [record for record in read_records(self.place.results) if self.on.is_it(record.device)]
        self.records = sorted(records, key=lambda record: -images_of(record))

    def training(self, recipe: TrainingRecipe) -> tuple[float, str] | None:
        """Images a second of a method, architecture and input size in training, and the run that shows it."""
        network = (recipe.arch, recipe.input.size, recipe.train.precision)
        alike = [speed for speed in self.speeds if speed.network == network]
        same = [speed for speed in alike if speed.run.info.recipe["method"] == recipe.method]
        if same:
            return same[0].images, f"measured ({same[0].run.name})"
        other = next((speed for speed in alike if speed.run.info.recipe["objective"] in objectives.INDEX), None)
        if other is None:
            return None
        theirs = passes(other.run.info.recipe)
        return other.images * theirs / passes(recipe.model_dump()), f"in proportion to {other.run.name}, which was measured"

    def measuring(self, what: Measurement, arch: str, size: int) -> tuple[float, str] | None:
        """Images a second of a metric on an architecture at an input size, and the run whose record shows it."""
        for record in self.records:
            view = record.job.get("maps", record.job.get("input", {})).get("view", {})
            metric = find_metric(what.metric)
            same = (record.metric, record.explainer, record.arch, view.get("size"))
            if same == (what.metric, what.explainer, arch, round(size * metric.input.scale)) and record.seconds:
                return images_of(record) / record.seconds, f"measured ({record.run})"
        return None


def images_of(record: Record) -> int:
    """On how many images a record was measured."""
    return max(v.n for v in record.values.values())


def passes(recipe: Mapping[str, Any]) -> float:
    """Forward passes' worth an image of an epoch, the mean over the epochs: those before `start` are another objective's.

    A frozen trunk is passed forward alone: a third; where its images are the same in every epoch, once for all of them.
    """
    objective, epochs = objectives.find_objective(recipe["objective"]), int(recipe["train"]["epochs"])
    own = objective.cost(recipe["objective_settings"])
    if recipe["model"]["frozen"]:
        once = objective.frozen and recipe["input"]["crop"] == "evaluation"
        return 1 / epochs if once else own / (1 if objective.frozen else 3)
    if objective.until_start is None:
        return own
    before = min(max(first_epoch(recipe["objective_settings"]["start"], epochs) - 1, 0), epochs)
    shared = objectives.find_objective(objective.until_start)
    theirs = {key: value for key, value in recipe["objective_settings"].items() if key in shared.settings.model_fields}
    return own + (shared.cost(theirs) - own) * before / epochs


def estimate(job: Job, known: Known) -> Estimate:
    """What is left of a job: nothing where it is finished or cannot be known."""
    if job.state in ("finished", "unknown"):
        return Estimate(0, 0.0, 0, "")
    if job.measurement is None:
        whole = of_training(job.network, known)
        return replace(whole, images=round(whole.images * job.left), seconds=whole.seconds * job.left)
    return of_measurement(job.network, job.measurement, known)


def of_training(network: Network, known: Known) -> Estimate:
    """A training: every epoch's images and its validation; checkpoints (last, best, kept) with the optimiser's state."""
    recipe, root = network.recipe, known.place.data
    own = training_images(network, root)
    split, less = ("train", own) if recipe.data.held_out else ("eval", 0)
    held_out = images(network.dataset, split, root) - less if recipe.train.validate_epochs else 0
    size, epochs = recipe.input.size, recipe.train.epochs
    cost = forward(recipe.arch, size, tuple(recipe.model.surgery), classes(network.dataset, root))
    rate, basis = known.on.device.rate(recipe.train.precision)
    validation = cost.operations * held_out / rate
    measured = known.training(recipe)
    seconds = own / measured[0] if measured else cost.operations * passes(recipe.model_dump()) * own / rate
    copies = (2 if recipe.optimizer.name == "sgd" else 3) * (2 if recipe.train.validate_epochs else 1)
    copies *= 1 + len(recipe.train.kept)
    disk = cost.weights * FLOAT * copies
    return Estimate(epochs * own, epochs * (seconds + validation), disk, measured[1] if measured else basis)


def of_measurement(network: Network, what: Measurement, known: Known) -> Estimate:
    """A measurement: its images, their maps and logits at the native grid, a row an image."""
    root, metric = known.place.data, find_metric(what.metric)
    n = min(measured_images(network, what, root), metric.rows.first or sys.maxsize)
    size = SIZE if network.given else network.recipe.input.size
    surgery = () if network.given else tuple(network.recipe.model.surgery)
    arch = (network.arch if network.given else network.recipe.arch) or ""
    count = classes(what.dataset, root)
    cost = forward(arch, size, surgery, count)
    area = metric.input.scale**2 * (FULL if metric.input.view == "full" else 1)
    seen, entry = round(size * metric.input.scale), find_explainer(what.explainer or EXPLAINER)
    explained = entry.passes_at(seen, cost.channels) if metric.explains or metric.rows.pairs else 1
    times = metric.passes_at(seen) - 1 + explained
    rate, basis = known.on.device.rate(FLOAT32)
    measured = known.measuring(what, arch, size)
    seconds = n / measured[0] if measured else cost.operations * area * times * n / rate
    maps = (cost.grid * area + count + 4) * FLOAT if metric.explains else 0
    rows = 8 * (len(metric.variants) + 1) + 32
    return Estimate(n, seconds, round(n * (maps + rows)), measured[1] if measured else basis)


def images(spec: str, split: str, root: Path) -> int:
    """Images of a split: the official count where there is one, else as found, else as the release roughly says or as a
    procedural set is made.
    """
    entry = data.resolve(spec)[0]
    split = entry.splits[-1] if split in ("eval", "episode") and entry.splits else split
    if split in entry.counts:
        return entry.counts[split]
    try:
        data.locate(spec, root)
        return len(data.load(spec, split, root))
    except (DataError, UsageError):
        if split in entry.about:
            return entry.about[split]
        return classes(spec, root) * made(entry, "per_class" if split == "train" else "test_per_class")


def classes(spec: str, root: Path) -> int:
    """Classes of a data set, in the same order of preference."""
    entry = data.resolve(spec)[0]
    if entry.classes is not None:
        return entry.classes
    try:
        data.locate(spec, root)
        return len(data.load(spec, "eval", root).classes)
    except (DataError, UsageError):
        return made(entry, "classes")


def made(entry: data.DatasetEntry, name: str) -> int:
    """A number with which a procedural set is made by default; 0 for a set that is only found."""
    parameters = inspect.signature(data.function(entry.make)).parameters if entry.make else {}
    return int(parameters[name].default) if name in parameters else 0


def training_images(network: Network, root: Path) -> int:
    """Images of an epoch: the split, or what is drawn of it (shots a class, a share of the labels, what is not held out)."""
    part = network.recipe.model_dump().get("data", {})
    if part.get("shots", 0):
        return int(part["shots"]) * classes(network.dataset, root)
    n = images(network.dataset, "train", root)
    return math.ceil(float(part.get("labelled", 1.0)) * n) - math.floor(float(part.get("held_out", 0.0)) * n)


def measured_images(network: Network, what: Measurement, root: Path) -> int:
    """Images of the measured split; of a few-shot episode, all that it does not train on."""
    if what.split == HELD_OUT:
        return images(what.dataset, "train", root) - training_images(network, root)
    n = images(what.dataset, what.split, root)
    if what.split != "episode":
        return n
    pool = network.recipe.model_dump().get("data", {}).get("pool", "all")
    drawn_from_all: int = n + images(what.dataset, "train", root) - training_images(network, root)
    return drawn_from_all if pool == "all" else n


@cache
def forward(arch: str, size: int, surgery: tuple[str, ...], count: int) -> Cost:
    """One image through the network, counted without computing anything (one that is not built here is really run)."""
    grids: list[torch.Size] = []

    def watch(module: torch.nn.Module, given: object, output: object) -> None:
        if isinstance(output, torch.Tensor) and output.dim() == 4 and output.shape[-1] > 1:
            grids.append(output.shape)

    with torch.device("cpu" if arch.startswith(DECLARING) else "meta"), torch.no_grad():
        network = models.build(arch, count, surgery=surgery, head="replace").eval()
        for module in network.modules():
            module.register_forward_hook(watch)
        with first_pass(arch, size), FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, 3, size, size))
    weights = sum(p.numel() for p in network.parameters())
    _, channels, height, width = grids[-1] if grids else (1, 1, 1, 1)
    return Cost(float(counter.get_total_flops()), weights, height * width, channels)


def total(estimates: Sequence[Estimate]) -> Estimate:
    """The sum, and every basis once."""
    bases = dict.fromkeys(e.basis for e in estimates if e.basis)
    sums = (sum(e.images for e in estimates), sum(e.seconds for e in estimates), sum(e.bytes for e in estimates))
    return Estimate(*sums, "; ".join(bases))
