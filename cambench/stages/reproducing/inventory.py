"""What is on hand: runs and records that answer a job already, and how far a job is that was begun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cambench import data, objectives
from cambench.data import masks as sources
from cambench.explainers import find_explainer
from cambench.metrics import find_metric
from cambench.models.backbones import called
from cambench.models.source import source_of
from cambench.stages import identity
from cambench.stages.divergence import stopped
from cambench.stages.reproducing.lacks import files_lack, images, unknown, weights_lack
from cambench.stages.reproducing.measurement import Measurement
from cambench.stages.reproducing.plan import Job, Network
from cambench.stages.reproducing.roles import DRAW
from cambench.stages.training.shared_epochs import beginning, keeper, kept, last_shared
from cambench.stages.workplace import Place, slug
from cambench.store.keys import file_hash
from cambench.store.records import Record, records_of
from cambench.store.runs import Run, read_runs
from cambench.vocabulary import EXPLAINER, Dataset, UsageError


def find_network(network: Network, place: Place) -> Run | None:
    """The run of a network, finished or begun; None where there is none.

    Runs on another version of the data are not it; where the data is not there any more, it is not asked.
    """
    if network.given:
        names, fits = f"{slug(called(network.arch or ''))}-*", is_given
    else:
        try:
            recipe = network.recipe
        except UsageError:
            return None
        names, fits = "-".join(["*", slug(recipe.method), slug(called(recipe.arch)), f"s{network.seed}", "*"]), is_trained
    runs = (run for run in read_runs(place.results, names) if fits(network, run, place))
    return max(runs, key=lambda run: run.finished, default=None)


def is_given(network: Network, run: Run, place: Place) -> bool:
    """Whether a run is the given network with its own weights."""
    known = identity.of_given(network.arch or "", None, source(network.arch or ""))
    return bool(run.info.kind == "given" and run.info.job == known)


def is_trained(network: Network, run: Run, place: Place) -> bool:
    """Whether a run is this training: recipe, seed, initial weights, source and, as far as it can be theirs, data."""
    info = run.info
    if info.kind != "trained" or info.seed != network.seed or info.data["classes"] is not None:
        return False
    if info.dataset != data.called(network.dataset):
        return False
    file = initial_weights(network, place)
    weights = file_hash(file) if file is not None and file.is_file() else None
    known = described(network, images(network.dataset, "train", place.data) if whole(network) else None, weights)
    theirs = {key: info.job[key] for key in info.job if key not in ("unlabelled", "own")}
    return identity.agree(known, theirs if "masks" in known else {k: v for k, v in theirs.items() if k != "masks"})


def described(network: Network, seen: Dataset | None, weights: str | None = None) -> dict[str, Any]:
    """The identity that the run of a network will have; None of it where the data is not there."""
    recipe, masks = network.recipe, None
    if seen is not None and recipe.data.masks:
        masks = sources.fingerprint(seen, sources.source_of(seen, recipe.data.masks))
    facts = {"dataset": data.called(network.dataset), "masks": masks, "weights": weights, "source": source(recipe.arch)}
    return identity.of_training(
        recipe.model_dump(mode="json"), seen.fingerprint if seen is not None else None, network.seed, **facts
    )


def source(arch: str) -> str | None:
    """The digest of a `python:` network's source; None where it is not to be found."""
    try:
        return source_of(arch)
    except UsageError:
        return None


def initial_weights(network: Network, place: Place) -> Path | None:
    """The file from which a training begins: the one given, or the checkpoint of the run before it, if that is finished."""
    before = None if network.base is None else find_network(network.base, place)
    return network.weights if before is None or not before.finished else before.path / "last.pt"


def whole(network: Network) -> bool:
    """False for a network that is trained on a drawn part of its data set (few-shot, few labels, images held out)."""
    part = {} if network.given else network.recipe.model_dump().get("data", {})
    return bool(part.get("shots", 0) == 0 and part.get("labelled", 1.0) == 1.0 and not part.get("held_out", 0.0))


def find_record(network: Network, what: Measurement, place: Place) -> Record | None:
    """The record of a measurement of a finished network; None where there is none."""
    run = find_network(network, place)
    if run is None or not run.finished:
        return None
    seen = images(what.dataset, what.split, place.data) if what.split != "episode" else None
    return next((r for r in records_of(place.results, run.name) if is_record(what, r, run, seen)), None)


def is_record(what: Measurement, record: Record, run: Run, seen: Dataset | None = None) -> bool:
    """Whether a record is this measurement, as the metric is defined today, of the weights, images and annotations that are
    there; where these are not there any more, they are not asked.
    """
    metric, entry = find_metric(what.metric), find_explainer(record.explainer or what.explainer or EXPLAINER)
    layer = what.layer or (run.info.layer if entry.layer.own is None else record.layer)
    explainer = what.explainer and find_explainer(what.explainer).name
    facts = (metric.name, data.called(what.dataset), explainer, what.target, "float32", what.checkpoint)
    theirs = (record.metric, record.dataset, record.explainer, record.target, record.precision, record.checkpoint)
    if facts != theirs or record.layer not in (None, layer) or (what.split != "eval" and record.split != what.split):
        return False
    maps = record.job.get("maps") or record.job.get("input") or {}
    known = run.info.checkpoints.get(what.checkpoint, maps.get("checkpoint"))
    version = {"version": entry.version} if metric.looks else {}
    now = {**maps, **version, "checkpoint": known, **({"data": seen.fingerprint} if seen is not None else {})}
    stored = {key: value for key, value in record.job.items() if key != "recipe"}
    metric = metric.on(entry.key)
    if seen is None:
        return {**stored, **identity.defined(metric), "maps" if metric.explains else "input": now} == stored
    return identity.of_record(metric, seen, now, partial=entry.partial) == stored


def at_hand(network: Network, place: Place) -> bool:
    """Whether a network is there (finished or begun), or is given and was measured already or can be had."""
    run = find_network(network, place)
    if not network.given:
        return run is not None
    measured = run is not None and any((place.results / "records" / run.name).glob("*.json"))
    return measured or not (unknown(Job(network)) or weights_lack(Job(network), None, None, place))


def settle(job: Job, place: Place, known: dict[str, tuple[str, ...]] | None = None) -> None:
    """Find out a job's state and, where it cannot run, everything that it lacks.

    known: what was found to lack to jobs that differ in the seed or in a draw alone, by their labels; it is added to.
    """
    job.reasons = unknown(job)
    if job.reasons:
        job.state = "unknown"
        return
    network, what, known = job.network, job.measurement, {} if known is None else known
    run = find_network(network, place)
    if network.role == DRAW and run is not None and stopped(run):
        job.state, job.left, job.detail = "finished", 0.0, "not finite"
        return
    trained = network.given or (run is not None and run.finished)
    begun, done = progress(job, run, place), trained
    if what is not None:
        done = trained and find_record(network, what, place) is not None
    if done:
        job.state, job.left = "finished", 0.0
        return
    alike = replace(job, network=replace(network, drawn=(), role=""))  # the draws of a search read the same files
    label = f"{alike.label}, {'trained' if trained else 'not trained'}"
    if label not in known:
        known[label] = files_lack(job, run, place)
    base = None if trained or network.base is None else find_network(network.base, place)
    job.reasons = tuple(dict.fromkeys([*known[label], *weights_lack(job, run, base, place)]))
    job.state = "blocked" if job.reasons else "partly" if begun else "missing"
    job.detail = begun


def progress(job: Job, run: Run | None, place: Place) -> str:
    """How far a begun job is; nothing for one that has not begun."""
    if run is None:
        return ""
    if job.measurement is not None:
        return "some images" if begun_parts(run, job.measurement, place) else ""
    done, epochs = len(run.log()), job.network.recipe.train.epochs
    job.left = 1 - done / epochs
    return f"epoch {done} of {epochs}" if done else ""


def taken_over(job: Job, jobs: Sequence[Job], place: Place) -> float:
    """The share of a training that has not begun which `stages.begin` will take over: kept by a run that is there, or by
    one that is trained before it.
    """
    network = job.network
    if job.measurement is not None or job.state not in ("missing", "blocked") or not network.follows:
        return 0.0
    recipe = network.recipe
    objective, epoch = objectives.find_objective(recipe.objective).until_start or "", last_shared(recipe)
    if epoch < 1:
        return 0.0
    first, epochs = beginning(planned(network, network.dataset), objective), recipe.train.epochs

    def keeps(theirs: Network, left: float) -> bool:
        coming = epoch in theirs.recipe.train.kept and epoch > (1 - left) * epochs
        is_it = coming and theirs.recipe.objective == objective
        return is_it and beginning(planned(theirs, theirs.dataset), objective) == first

    trained = (other for other in jobs if other.measurement is None and other.state != "unknown")
    if any(keeps(other.network, other.left) for other in trained):
        return epoch / epochs
    return 0.0 if keeping(network, place) is None else epoch / epochs


def keeping(network: Network, place: Place) -> Run | None:
    """The run that keeps the first epochs of a training that `follows`, for it to take over."""
    recipe = network.recipe
    known = described(network, images(network.dataset, "train", place.data))
    return keeper(known, objectives.find_objective(recipe.objective).until_start or "", last_shared(recipe), place.results)


def begins_from(job: Job, place: Place) -> list[Path]:
    """The files and folders from which a job begins or goes on: its own run, those before it, kept epochs of another."""
    paths, network = list[Path](), job.network
    run = find_network(network, place)
    if run is not None:
        paths += [place.results / kind / run.name for kind in ("runs", "heatmaps", "records")]
    elif network.follows and (other := keeping(network, place)) is not None:
        paths += [other.path / "run.json", kept(other, last_shared(network.recipe))]
    while (before := network.base) is not None:
        run, network = find_network(before, place), before
        paths += [] if run is None else [run.path]
    return paths


def planned(network: Network, data: str) -> dict[str, Any]:
    """The identity that two plans' trainings from scratch share, their data told by its name."""
    recipe = network.recipe
    return identity.of_training(recipe.model_dump(mode="json"), data, network.seed, source=source(recipe.arch))


def begun_parts(run: Run, what: Measurement, place: Place) -> list[Path]:
    """Chunks that a killed measurement left: of its rows or of its heatmaps."""
    rows = (place.results / "records" / run.name).glob(f"*.{slug(what.metric)}.*.parts")
    maps = (place.results / "heatmaps" / run.name).glob(f"*.{slug(what.explainer or '')}.*.parts")
    return [*rows, *maps]
