"""Train one run (method × data set × architecture × seed), from its beginning or from where it stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cambench import models, objectives, processes, seeds
from cambench.data.views import RANDOM, View, altered
from cambench.explainers.calm import LATENT, has_head, latent_layer
from cambench.explainers.probe import check_layer, default_layer, evaluating, gap_linear_head
from cambench.models.backbones import BRINGING, DECLARING
from cambench.models.global_norm import globalised
from cambench.models.habits import first_pass
from cambench.models.heads import learner
from cambench.objectives import AUGMENTED, PLAIN, Objective
from cambench.objectives.network import Network
from cambench.recipes import load as recipes
from cambench.recipes.schema import Input, TrainingRecipe
from cambench.stages import workplace
from cambench.stages.progress import say
from cambench.stages.training import optimiser
from cambench.stages.training.focus import departures, masks_of
from cambench.stages.training.frozen_features import remembered
from cambench.stages.training.lessons import Lessons, Phase
from cambench.stages.training.loop import Loop
from cambench.stages.training.new_run import checkpoints, described, folder, opened, ran_on, shared
from cambench.stages.training.opening import Opened, check_file, check_weights, open_images
from cambench.stages.training.own import declared, load_recipe
from cambench.stages.training.shared_epochs import begin
from cambench.stages.training.stopping import terminations
from cambench.store.provenance import device_name
from cambench.store.runs import Run, read_run
from cambench.vocabulary import Dataset, StoppedError, UsageError, number_of

BEGINS = {"own": "the network's own weights", "scratch": "random weights", "imagenet": "its pretrained weights"}


@dataclass(frozen=True)
class TrainJob:
    """What `cambench train` was asked for. `overrides` are `a.b=value` texts; `weights` a file for the initial weights.

    classes: the first so many, or those of the names; None: all.
    preset: dotted key of the recipe -> value, as a table's recipe asks for it; unlike an override it is no deviation.
    again: train from the first epoch, whatever is there; a run whose weights this one begins with is left as it is.
    """

    method: str
    dataset: str
    arch: str | None = None
    seed: int = 0
    classes: int | tuple[str, ...] | None = None
    weights: Path | None = None
    overrides: Sequence[str] = ()
    preset: Mapping[str, Any] = field(default_factory=dict)
    again: bool = False


def named_or_first(first: int | None, names: Sequence[str]) -> int | tuple[str, ...] | None:
    """Which classes a command asks for: the first so many, those of the names, or None: all.

    Raises: UsageError for both at once, or for a single name.
    """
    if names and (first is not None or len(names) < 2):
        got = "one name" if first is None else "both"
        raise UsageError(f"classes: expected --classes N, or --class NAME twice or more, got {got}.")
    return tuple(names) or first


def train(job: TrainJob, place: workplace.Place) -> Run:
    """Train until the recipe's last epoch, from where an earlier call of the same job stopped.

    Raises: UsageError, DataError, CambenchError (a loss that is not finite, a full disk); finished epochs stay on disk.
    """
    if job.seed < 0:
        raise UsageError(f"seed: expected 0 or more, got {job.seed}.")
    recipe = load_recipe(job.method, job.dataset.partition(":")[0], job.arch, job.overrides, job.preset)
    models.resolve(recipe.arch)  # before anything is written
    workplace.device(place.device)
    objective, _ = objectives.make(recipe.objective, recipe.objective_settings)
    check_file(job, recipe)
    weights = recipe.model.init if recipe.model.base else None  # in words that the seeds of a method share
    weights = weights if job.weights is None else str(job.weights)
    job = with_base(job, recipe, place)
    images = open_images(job, recipe, objective, place.data)
    lessons = prepare_lessons(job, recipe, objective, images, place)
    info = described(job, recipe, lessons, weights)
    path = folder(info, place)
    if processes.agreed((path / "run.json").exists() and not job.again and read_run(path).finished):
        say(f"{path.name}: finished already ({path})")
        return read_run(path)
    with processes.in_turn():  # what the first fetches, the others find
        check_weights(job, recipe, place.download)
    explained = explained_model(job, recipe, objective, lessons, place)

    def open_run() -> Run:
        run = opened(path, info, again=job.again)
        return run if run.finished or job.again else begin(run, objective, recipe, place.results)

    with workplace.only_first_writes(path):
        run = shared(path, open_run)
        if run.finished:
            say(f"{run.name}: finished by another process meanwhile ({run.path})")
            return run
        with workplace.computing(place):
            return carry_out(run, job, recipe, lessons, place, explained=explained)


Explained = tuple[nn.Module, str, nn.Linear | None]
"""A model, its explained layer and the linear head above it, if it has one."""


def explained_model(
    job: TrainJob, recipe: TrainingRecipe, objective: Objective, lessons: Lessons, place: workplace.Place
) -> Explained:
    """What is trained; made before anything is written. Raises: UsageError where its parts do not go together."""
    model = build(job, recipe, lessons.dataset, place)
    layer, head = explained_layer(model, recipe)
    check_composite(model, recipe, objective)
    optimiser.groups(model, recipe.optimizer)
    return model, layer, head


def carry_out(
    run: Run, job: TrainJob, recipe: TrainingRecipe, lessons: Lessons, place: workplace.Place, *, explained: Explained
) -> Run:
    """Train a run from its last finished epoch to the recipe's last; no other process trains it meanwhile."""
    objective, step = objectives.make(recipe.objective, recipe.objective_settings)
    dataset, (model, layer, head) = lessons.dataset, explained
    others = "" if lessons.unlabelled is None else f" and {len(lessons.unlabelled)} without labels"
    counts = f"{number_of(len(dataset), 'image')}{others}, {number_of(len(dataset.classes), 'class')}"
    say(f"{run.name}: {counts}, explained layer {layer}")
    if recipe.arch.startswith(DECLARING):
        weights = run.info.weights or recipe.model.init
        begun = BEGINS.get(weights, weights)
        say(f"{run.name}: {recipe.arch}: {begun}; {declared(recipe.arch)}; trained at {recipe.input.size} px")
    for sentence in departures(recipe):
        say(f"{run.name}: note: {sentence}")
    device = workplace.device(place.device)
    run = run.save(layer=layer, device=device_name(device), processes=ran_on(run))
    network = Network(prepare(model, recipe, device), layer, head, recipe.train.precision, recipe.input.colours)
    loop = Loop(run, recipe, network, seed=job.seed)
    first = Phase(step, replace(lessons, source={**lessons.source, "device": device}), frozen=objective.frozen)
    phases = [remembered(first, network, recipe), *later_phases(first.lessons, objective, recipe)]
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
    with terminations() as terminated:
        loop.train(phases, lessons.held_out, terminated)
        seconds = sum(epoch["seconds"] for epoch in loop.log)
        peak = torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else None
        facts = {"seconds": round(seconds, 1), "peak_memory_bytes": peak}
        run = shared(run.path, lambda: loop.run.save(finished=True, checkpoints=checkpoints(run), **facts))
        if any(processes.summed(terminated())):  # whoever does more after it must not
            raise StoppedError(f"{run.name}: stopped by SIGTERM after its last epoch; it is finished.")
    return run


def with_base(job: TrainJob, recipe: TrainingRecipe, place: workplace.Place) -> TrainJob:
    """The job with the weights of the run that its recipe begins from, which is trained by its own recipe if need be."""
    if recipe.model.base is None or job.weights is not None:
        return job
    preset, overrides = recipes.handed_down(recipe, job.preset, job.overrides)
    say(f"{job.method} begins from a run of {recipe.model.base}, by that one's own recipe: it comes first")
    base = TrainJob(recipe.model.base, job.dataset, recipe.arch, job.seed, job.classes, overrides=overrides, preset=preset)
    return replace(job, weights=train(base, place).path / "last.pt")


def prepare_lessons(
    job: TrainJob, recipe: TrainingRecipe, objective: Objective, images: Opened, place: workplace.Place
) -> Lessons:
    """The images of the run, through the views of its objective."""
    views = {name: view(kind, recipe.input) for name, kind in objective.views.items()}
    dataset = images.dataset
    return Lessons(
        dataset,
        views,
        recipe.train.batch_size,
        job.seed,
        (dataset.pool or dataset) if objective.unlabelled else None,
        {name: view(kind, recipe.input) for name, kind in objective.unlabelled.items()},
        {"workers": place.workers, "cache": place.results / "cache"},
        masks_of(objective, recipe, dataset, view("resize-center-crop", recipe.input)),
        recipe.train.epochs,
        objective.negatives,
        images.held_out,
        recipe.train.accumulate,
    )


def later_phases(first: Lessons, objective: Objective, recipe: TrainingRecipe) -> list[Phase]:
    """What follows the objective's own pass in every epoch: the same images in an order and through views of its own."""
    if objective.then is None:
        return []
    then, step = objectives.make(objective.then, {})
    views = {name: view(kind, recipe.input) for name, kind in then.views.items()}
    own = seeds.derive(first.seed, then.name)
    lessons = replace(first, views=views, seed=own, unlabelled=None, masks=None, negatives=then.negatives)
    return [Phase(step, lessons, then.name, then.frozen)]


def build(job: TrainJob, recipe: TrainingRecipe, dataset: Dataset, place: workplace.Place) -> nn.Module:
    """The network with its initial weights: a file's, its library's (downloaded if need be), its own, or random ones."""
    weights: Path | str | None = job.weights
    if weights is None and recipe.model.init == "imagenet":
        weights = "pretrained"
    return models.build(
        recipe.arch,
        len(dataset.classes),
        surgery=recipe.model.surgery,
        weights=weights,
        download=place.download,
        head="fresh" if recipe.model.fresh_head else "replace",
        seed=seeds.derive(job.seed, "init"),
        anew=recipe.model.init == "scratch" and recipe.arch.startswith(BRINGING) and weights is None,
    )


def explained_layer(model: nn.Module, recipe: TrainingRecipe) -> tuple[str, nn.Linear | None]:
    """The layer that is explained, and the GAP + linear head above it (None where the head is anything else).

    A recipe's `avgpool.latent` means the latent pair of the CALM head, wherever the surgery put that head.
    """
    image = torch.randn(1, 3, recipe.input.size, recipe.input.size, generator=seeds.generator("layer"))
    with first_pass(recipe.arch, recipe.input.size):
        layer = recipe.model.layer or default_layer(model, image)
        if layer.endswith(LATENT) and has_head(model):
            layer = latent_layer(model)
        if recipe.model.layer:
            check_layer(model, layer, image)
        return layer, gap_linear_head(model, layer, image)


def check_composite(model: nn.Module, recipe: TrainingRecipe, objective: Objective) -> None:
    """See that the network also takes images twice as high and wide, where its objective composes them of four.

    Raises: UsageError where it does not, as most vision transformers.
    """
    if objective.negatives:
        size = 2 * recipe.input.size
        mend = "train a network of any size with composites of four"
        with first_pass(recipe.arch, size, mend), evaluating(model), torch.no_grad():
            model(torch.zeros(1, 3, size, size))


def prepare(model: nn.Module, recipe: TrainingRecipe, device: str) -> nn.Module:
    """The model on its device and in its memory layout; if its trunk is frozen, the classifier alone takes gradients."""
    if recipe.model.frozen:
        learner(model.requires_grad_(False)).requires_grad_(True)
    if recipe.train.batch_norm == "global" and processes.count() > 1:
        globalised(model)
    layout = torch.channels_last if recipe.train.channels_last else torch.contiguous_format
    return model.to(device=device, memory_format=layout)  # type: ignore[call-overload,no-any-return]


def view(kind: str, recipe: Input) -> View:
    """A training view of the recipe's input; only random views are flipped or augmented, no query (CGC protocol §1.2).

    With `input.crop = evaluation` the evaluation view takes the place of random crops.
    Raises: UsageError for an augmentation that is not there.
    """
    random, pipeline = kind in (*RANDOM, PLAIN, AUGMENTED), "" if kind == PLAIN else recipe.augment
    if kind == "resize-center-crop" or (random and kind != AUGMENTED and recipe.crop == "evaluation"):
        kind, random = recipe.evaluation, False
    own = {**recipe.colours._asdict(), "interpolation": recipe.interpolation}
    if not random:
        return View(kind, recipe.size, recipe.resize or None, recipe.scale, recipe.ratio, **own)
    kind = "random-resized-crop" if recipe.crop == "evaluation" else recipe.crop
    plain = View(kind, recipe.size, recipe.resize or None, recipe.scale, recipe.ratio, recipe.flip, **own)
    return altered(plain, pipeline)


def summary(run: Run) -> Mapping[str, Any]:
    """A finished run in short: its name, its folder, its last epoch."""
    return {"run": run.name, "path": str(run.path), **run.log()[-1]}
