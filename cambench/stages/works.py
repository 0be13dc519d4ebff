"""Verbs over many runs: those that were named, or every finished one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cambench.explainers import find_explainer
from cambench.metrics import find_metric
from cambench.stages import jobs
from cambench.stages.evaluate import announce, evaluate
from cambench.stages.explain import ExplainJob, explain, locate, open_data
from cambench.stages.networks import CHECKPOINTS, LAST, Loaded, load_network, open_run
from cambench.stages.progress import say
from cambench.stages.rows import EvalJob
from cambench.store.records import Record
from cambench.store.runs import Run, read_runs
from cambench.targets import find_target
from cambench.vocabulary import Dataset, UsageError

Made = TypeVar("Made")


@dataclass(frozen=True)
class Works:
    """Which runs (none named: every finished one), on which data, how the network is prepared."""

    runs: Sequence[str]
    dataset: str | None = None
    split: str = "eval"
    limit: int | None = None
    layer: str | None = None
    weights: Path | None = None
    precision: str = "float32"
    checkpoint: str = LAST
    class_sets: Path | None = None


def chosen(work: Works, place: jobs.Place) -> list[Run]:
    """The runs meant.

    Raises: UsageError if there is none.
    """
    if work.precision not in ("float32", "bf16"):
        raise UsageError(f"--precision {work.precision}: expected float32 or bf16.")
    if work.checkpoint not in CHECKPOINTS:
        raise UsageError(f"--checkpoint {work.checkpoint}: expected {' or '.join(CHECKPOINTS)}.")
    if work.runs:
        return [open_run(spec, place, work.weights) for spec in work.runs]
    if work.weights is not None:
        raise UsageError("--weights: expected a RUN that they belong to, for example torchvision:resnet50.")
    found = [r for r in read_runs(place.results) if r.finished and r.info["kind"] == "trained"]
    if not found:
        raise UsageError(
            f"no finished run under {place.results / 'runs'}; train one with `cambench train`, or set --results."
        )
    return found


def each(work: Works, place: jobs.Place, act: Callable[[Loaded, Dataset], Made]) -> list[Made]:
    """Do one thing with every run's network and data, in the order of their names."""
    made = []
    for run in chosen(work, place):
        prepared = {"precision": work.precision, "checkpoint": work.checkpoint}
        loaded = load_network(run, place, layer=work.layer, **prepared)
        dataset = open_data(loaded, place, work.dataset, work.split, work.limit, work.class_sets)
        say(f"{run.name} on {dataset.name} {dataset.split}: {len(dataset)} images, layer {loaded.layer}, {loaded.device}")
        made.append(act(loaded, dataset))
    return made


def explain_all(work: Works, job: ExplainJob, place: jobs.Place) -> list[Path]:
    """The heatmap files of a job for every run."""
    find_explainer(job.explainer)
    find_target(job.target)
    if job.classes not in ("label", "prediction"):
        raise UsageError(f"--classes {job.classes}: expected label or prediction.")

    def act(loaded: Loaded, dataset: Dataset) -> Path:
        explain(job, loaded, dataset, place)
        return locate(job, loaded, dataset, place)[0]

    return each(work, place, act)


def evaluate_all(work: Works, wanted: Sequence[EvalJob], place: jobs.Place) -> list[Record]:
    """The records of every job for every run. Names are checked before anything is computed."""
    for job in wanted:
        find_metric(job.metric)
        find_explainer(job.explainer)
        find_target(job.target)

    def act(loaded: Loaded, dataset: Dataset) -> list[Record]:
        found = []
        for job in wanted:
            found.append(evaluate(job, loaded, dataset, place))
            announce(found[-1])
        return found

    return [record for records in each(work, place, act) for record in records]
