"""Lacks: what keeps a job from running, each with its mend, as the functions say that open its files when it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import cache, lru_cache
from pathlib import Path

import torch

from cambench import data, models, objectives
from cambench.data.by_name import wrong_count
from cambench.explainers import find_explainer
from cambench.metrics import find_metric
from cambench.models.backbones import DECLARING
from cambench.models.preprocessing import SIZE
from cambench.models.source import source_of
from cambench.models.weights import check_pretrained
from cambench.stages.images import open_split
from cambench.stages.measuring.evaluate import check
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.network import LAST, checkpoint_of
from cambench.stages.reproducing.measurement import Measurement
from cambench.stages.reproducing.plan import Job, Network
from cambench.stages.training.new_run import drawn
from cambench.stages.training.opening import check_weights, open_images
from cambench.stages.training.train import TrainJob
from cambench.stages.workplace import Place
from cambench.store.runs import Run, RunInfo
from cambench.targets import find_target
from cambench.vocabulary import EXPLAINER, TARGET, CambenchError, DataError, Dataset, UsageError

Check = Callable[[], object]
EPISODE = "episode"


def unknown(job: Job) -> tuple[str, ...]:
    """What a job names that is not there: method, setting, architecture, data set, metric, explainer, target."""
    network, what = job.network, job.measurement
    checks: list[Check] = (
        [lambda: models.resolve(network.arch or "")]
        if network.given
        else [
            lambda: data.resolve(network.dataset),
            lambda: models.resolve(network.recipe.arch),
            lambda: objectives.make(network.recipe.objective, network.recipe.objective_settings),
        ]
    )
    if what is not None:
        checks += [lambda: data.resolve(what.dataset), lambda: find_metric(what.metric)]
        if what.explainer is not None and what.target is not None:
            checks += [lambda: find_explainer(what.explainer or ""), lambda: find_target(what.target or "")]
    return tuple(complaints(*checks))


def files_lack(job: Job, run: Run | None, place: Place) -> tuple[str, ...]:
    """What is not there, or not what it needs, of the images, annotations, masks and lists that a job reads.

    run: that of its network, where it is there. Jobs that differ in the seed alone read the same files.
    """
    network, what = job.network, job.measurement
    trains = not network.given and (run is None or not run.finished)
    reasons = training_lacks(network, place) if trains else []
    reasons += measurement_lacks(network, what, run, place) if what is not None else []
    return tuple(dict.fromkeys(reasons))


def weights_lack(job: Job, run: Run | None, base: Run | None, place: Place) -> list[str]:
    """What is not there of the weights that a job reads: initial ones, or those of a finished run.

    base: the run from which its training begins, where it is there.
    """
    network, what = job.network, job.measurement
    if network.given:
        return complaints(lambda: given_weights(network, place))
    if run is not None and run.finished:
        return [] if what is None else complaints(lambda: checkpoint_of(run, what.checkpoint))
    checks: list[Check] = [lambda: check_weights(training(network), network.recipe, place.download)]
    if base is not None and base.finished:
        checks.append(lambda: checkpoint_of(base, LAST))
    return complaints(*checks)


def complaints(*checks: Check) -> list[str]:
    """What each check objects to, in a sentence, once."""
    objections: list[str] = []
    for one in checks:
        try:
            one()
        except CambenchError as e:
            objections.append(str(e))
    return list(dict.fromkeys(objections))


def training(network: Network) -> TrainJob:
    """The training of a network as `train` is asked for it."""
    facts = (network.method, network.dataset, network.arch, network.seed, None, network.weights)
    return TrainJob(*facts, overrides=network.settings, preset=network.preset)


def given_weights(network: Network, place: Place) -> None:
    """Raises: UsageError where a given network's module is not there, or its weights are not and may not be fetched."""
    arch = network.arch or ""
    if source_of(arch) is None:
        check_pretrained(models.resolve(arch), place.download)


def training_lacks(network: Network, place: Place) -> list[str]:
    """What is not there of the images, masks and lists that a training reads."""
    absent = data_lacks(network.dataset, place)
    if absent is not None:
        return absent
    objective = objectives.find_objective(network.recipe.objective)
    return complaints(lambda: open_images(training(network), network.recipe, objective, place.data))


def measurement_lacks(network: Network, what: Measurement, run: Run | None, place: Place) -> list[str]:
    """What is not there of the images and annotations that a measurement reads."""
    absent = data_lacks(what.dataset, place)
    if absent is not None:
        return absent

    def opened() -> None:
        dataset = open_split(run or coming(network, place), place.data, what.dataset, split_of(what))
        if network.given and (count := outputs(network.arch or "")) != len(dataset.classes):
            raise wrong_count(dataset, count, network.label)
        check(find_metric(what.metric), asked_of(what), dataset)

    return complaints(opened)


def asked_of(what: Measurement) -> EvalJob:
    """A measurement as `evaluate` is asked for it."""
    return EvalJob(what.metric, what.explainer or EXPLAINER, what.target or TARGET)


def split_of(what: Measurement) -> str:
    """The split of a measurement as it is asked for: an episode's is the evaluation split of what was drawn."""
    return "eval" if what.split == EPISODE else what.split


def coming(network: Network, place: Place) -> Run:
    """A network's run as far as it is known before it is trained; one that is given, or lacks its data, has no classes."""
    if network.given:
        return Run(Path(network.label))
    draw = drawn(network.recipe, network.seed)
    own = {"spec": data.settled(network.dataset), "draw": draw and asdict(draw)}
    seen = images(network.dataset, "train", place.data)
    return Run(Path(network.label), RunInfo(data=own, class_names=() if seen is None else seen.classes))


def data_lacks(spec: str, place: Place) -> list[str] | None:
    """Where a data set that is not there is expected, and how to obtain it; None for one that is there and can be opened.

    One that is made on first use lacks nothing.
    """
    entry, path = data.resolve(spec)
    try:
        data.locate(spec, place.data)
    except DataError as e:
        if entry.make and path is None:
            return []
        there = f"{entry.name}: expected at {place.data / entry.folders[0]}, not there" if path is None else str(e)
        mend = f"; layout: {entry.layout}; obtain: {entry.obtain}; if it lies elsewhere, say --data-root DIR."
        return [there + mend if path is None else there]
    return None


@lru_cache(maxsize=4)
def images(spec: str, split: str, root: Path) -> Dataset | None:
    """A split, read once; None where the data is not there or cannot be read."""
    try:
        data.locate(spec, root)
        return data.load(spec, split, root)
    except (DataError, UsageError):
        return None


@cache
def outputs(arch: str) -> int:
    """The number of logits of a given network, counted without computing anything (one not built here is really run)."""
    with torch.device("cpu" if arch.startswith(DECLARING) else "meta"), torch.no_grad():
        return int(models.build(arch).eval()(torch.zeros(1, 3, SIZE, SIZE)).shape[1])
