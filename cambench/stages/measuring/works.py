"""Verbs over many runs: those that were named, or every finished one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cambench import processes
from cambench.data.views import check_still
from cambench.explainers import find_explainer
from cambench.metrics import find_metric
from cambench.stages import workplace
from cambench.stages.images import open_data, spec_of
from cambench.stages.measuring.evaluate import evaluate, looked_at
from cambench.stages.measuring.explain import ExplainJob, Session, explain, going_on, locate, make
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.network import CHECKPOINTS, INPUT, LAST, Loaded, load_network, open_run
from cambench.stages.progress import say
from cambench.store.records import Record
from cambench.store.runs import Run, read_runs
from cambench.targets import find_target, settled
from cambench.vocabulary import EXPLAINER, TARGET, CambenchError, Dataset, UsageError, number_of

Made = TypeVar("Made")


@dataclass(frozen=True)
class Works:
    """Which runs (none named: every finished one), on which data, how the network is prepared.

    map_classes: whether some classes in common, by name, are enough. again: make everything anew, whatever is there.
    input: what the command says of a given network's input. limit, evenly: the first so many images, so many evenly spaced.
    """

    runs: Sequence[str]
    dataset: str | None = None
    split: str = "eval"
    limit: int | None = None
    layer: str | None = None
    weights: Path | None = None
    precision: str = "float32"
    checkpoint: str = LAST
    class_sets: Path | None = None
    map_classes: bool = False
    again: bool = False
    input: Mapping[str, Any] = field(default_factory=dict)
    evenly: int | None = None


def chosen(work: Works, place: workplace.Place) -> list[Run]:
    """The runs meant.

    Raises: UsageError if there is none.
    """
    if work.precision not in ("float32", "bf16"):
        raise UsageError(f"--precision {work.precision}: expected float32 or bf16.")
    if work.checkpoint not in CHECKPOINTS:
        raise UsageError(f"--checkpoint {work.checkpoint}: expected {' or '.join(CHECKPOINTS)}.")
    if work.runs:
        return [open_run(spec, place, work.weights, work.input) for spec in dict.fromkeys(work.runs)]
    if work.weights is not None:
        raise UsageError("--weights: expected a RUN that they belong to, for example torchvision:resnet50.")
    if work.input:
        raise UsageError(
            f"--{INPUT[min(work.input)]}: expected a given network as RUN, for example python:pkg.mod:function."
        )
    runs = read_runs(place.results)
    finished = [r for r in runs if r.finished and r.info.kind != "given"]
    if not finished:
        raise UsageError(none_finished(runs, place.results))
    return finished


def none_finished(runs: Sequence[Run], results: Path) -> str:
    """Why no run is meant where none is named, in the words of `cambench ls runs`."""
    given = [run.name for run in runs if run.info.kind == "given"]
    stopped = [run.name for run in runs if not run.finished]
    counts = [f"{len(given)} given, which a command must name ({given[0]})" if given else ""]
    counts += [f"{len(stopped)} stopped ({stopped[0]}), with which `cambench train` goes on" if stopped else ""]
    here = "; ".join(text for text in counts if text)
    mend = "train one with `cambench train`, or set --results"
    if not runs:
        return f"no finished run under {results / 'runs'}; {mend}."
    return f"no finished run of a training under {results / 'runs'}, but {here}; name it, or {mend}."


def opened(work: Works, place: workplace.Place, *, measured: bool = False) -> Iterator[Loaded]:
    """Every run's network, in the order of their names. measured: on a data set, known before any is opened."""
    with processes.in_turn():
        runs = chosen(work, place)
        for run in runs if measured else ():
            spec_of(run, work.dataset)
    for run in runs:
        with processes.in_turn():  # what the first fetches, the others find
            loaded = load_network(run, place, layer=work.layer, precision=work.precision, checkpoint=work.checkpoint)
        yield loaded


def each(work: Works, place: workplace.Place, act: Callable[[Loaded, Dataset], list[Made]]) -> list[Made]:
    """What is made of every run's network and data, in the order of their names."""
    made = []
    for loaded in opened(work, place, measured=True):
        asked = (work.dataset, work.split, work.limit, work.class_sets)
        dataset = open_data(loaded, place, *asked, map_classes=work.map_classes, evenly=work.evenly)
        images = number_of(len(dataset), "image")
        say(f"{loaded.run.name} on {dataset.name} {dataset.split}: {images}, layer {loaded.layer}, {loaded.device}")
        made += act(loaded, dataset)
    return made


def maps_of(work: Works, explainers: Sequence[str], targets: Sequence[str], **asked: Any) -> list[ExplainJob]:
    """Each explainer with each target, the defaults where none is named. asked: the other fields of the jobs.

    Raises: UsageError for a file of class sets that no target uses.
    """
    names = [find_explainer(name).name for name in explainers or [EXPLAINER]]
    aims = [settled(name) for name in targets or [TARGET]]
    jobs = list(dict.fromkeys(ExplainJob(e, t, **asked) for e in names for t in aims))
    check_class_sets(work, [job.target for job in jobs])
    return jobs


Job = TypeVar("Job", ExplainJob, EvalJob)
Refused = list[tuple[Job, CambenchError]]
"""What could not be made, and why."""


def kept(job: Job, refused: Refused[Job] | None, wanted: Sequence[Job]) -> AbstractContextManager[None]:
    """A block whose error is kept (`going_on`) where there is a list for it, and is raised where there is none."""

    def keep(error: CambenchError) -> None:
        if refused is None:
            raise reasons([(job, error)], wanted)[0]
        refused.append((job, error))

    return going_on(keep)


def reasons(refused: Refused[Job], wanted: Sequence[Job]) -> list[CambenchError]:
    """Each reason once, with the explainers that it is of where more are wanted and it begins with no name of its own."""
    why: dict[str, tuple[CambenchError, dict[str, None]]] = {}
    for job, error in refused:
        begins, metric = re.split("[: ]", str(error), maxsplit=1)[0], getattr(job, "metric", "")
        own = begins in (job.explainer.partition(":")[0], metric.partition(":")[0])
        looks = not metric or find_metric(metric).looks
        why.setdefault(str(error), (error, {}))[1].update({job.explainer: None} if looks and not own else {})
    every, made = {job.explainer for job in wanted}, list[CambenchError]()
    for error, names in why.values():
        named = type(error)(f"{', '.join(names)}: {error}").with_traceback(error.__traceback__)
        made.append(named if names and set(names) < every else error)
    return made


def explain_all(
    work: Works, wanted: Sequence[ExplainJob], place: workplace.Place, refused: Refused[ExplainJob] | None = None
) -> list[Path]:
    """The heatmap files of every job for every run. Names are checked before anything is computed.

    refused: as of `evaluate_all`.
    """
    for job in wanted:
        find_explainer(job.explainer)
        find_target(job.target)
        if job.classes not in ("label", "prediction"):
            raise UsageError(f"--classes {job.classes}: expected label or prediction.")
        check_still(job.view)
        check_batch(job.batch_size)
    check_layer(work, [job.explainer for job in wanted])

    def act(loaded: Loaded, dataset: Dataset) -> list[Path]:
        session, files = Session(work.again), list[Path]()
        make(wanted, loaded, dataset, place, session)
        for job in wanted:
            with kept(job, refused, wanted):
                explain(job, loaded, dataset, place, session)
                files.append(locate(job, loaded, dataset, place)[0])
        return files

    return each(work, place, act)


def jobs_of(
    names: Sequence[str], explainers: Sequence[str] | None, targets: Sequence[str] | None, batch_size: int = 32
) -> list[EvalJob]:
    """Each metric with each explainer and each target that it looks at, each once; None for the defaults.

    Raises: UsageError where no metric is named, for an explainer that a metric does not take, or an explainer or target that
    none of them looks at.
    """
    if not names:
        raise UsageError("eval: expected a metric, got none; name one, for example ch.")
    metrics = [find_metric(name) for name in names]
    if explainers and not any(metric.looks for metric in metrics):
        raise UsageError(f"--explainer {explainers[0]}: {', '.join(names)} looks at no heatmap; leave it out.")
    if targets and not any(metric.targeted for metric in metrics):
        raise UsageError(f"--target {targets[0]}: {', '.join(names)} explains no target of your choice; leave it out.")
    made = []
    for metric in metrics:
        for wrong in [e for e in explainers or [] if metric.fixed and find_explainer(e).name != metric.fixed]:
            raise UsageError(
                f"{metric.name}: always measures {metric.fixed}, got --explainer {wrong}; leave it out for this metric."
            )
        named = explainers if explainers and metric.looks else [""]
        mapped = [metric.explainer_of(name) for name in named]
        aimed = [settled(name) for name in targets] if targets and metric.targeted else [TARGET]
        made += [EvalJob(metric.name, find_explainer(e).name, t, batch_size) for e in mapped for t in aimed]
    return list(dict.fromkeys(made))


def check_unused(work: Works, wanted: Sequence[EvalJob]) -> None:
    """Raises: UsageError for a layer or class sets that none of the metrics looks at."""
    looking = [job for job in wanted if find_metric(job.metric).looks]
    if work.layer is not None and not looking:
        names = ", ".join(dict.fromkeys(job.metric for job in wanted))
        raise UsageError(f"--layer {work.layer}: {names} looks at no heatmap; leave it out.")
    check_layer(work, [find_metric(job.metric).explainer_of(job.explainer) for job in looking])
    check_class_sets(work, [job.target for job in wanted])


def check_batch(size: int) -> None:
    """Raises: UsageError for a batch without an image."""
    if size < 1:
        raise UsageError(f"--batch-size {size}: expected at least 1.")


def check_layer(work: Works, explainers: Sequence[str]) -> None:
    """Raises: UsageError for a layer that none of the explainers looks at."""
    if work.layer is not None and explainers and not any(find_explainer(name).at_layer for name in explainers):
        names = ", ".join(dict.fromkeys(explainers))
        raise UsageError(f"--layer {work.layer}: {names} looks at no layer; leave it out.")


def check_class_sets(work: Works, targets: Sequence[str]) -> None:
    """Raises: UsageError for a file of class sets that no target uses."""
    if work.class_sets is not None and not any(target.partition(":")[0] == "subset" for target in targets):
        raise UsageError(
            f"--class-sets: expected --target subset:{work.class_sets.stem} beside it, got {', '.join(targets)}."
        )


def evaluate_all(
    work: Works, wanted: Sequence[EvalJob], place: workplace.Place, refused: Refused[EvalJob] | None = None
) -> list[Record]:
    """The records of every job for every run. Names are checked before anything is computed.

    refused: where it is given, a measurement that fails is added to it and the others go on; the caller raises.
    Raises: CambenchError of the first measurement that fails, where `refused` is None.
    """
    for job in wanted:
        find_metric(job.metric)
        find_explainer(job.explainer)
        find_target(job.target)
        check_batch(job.batch_size)
    check_unused(work, wanted)

    def act(loaded: Loaded, dataset: Dataset) -> list[Record]:
        session, sound, looked, records = Session(work.again), list[EvalJob](), list[ExplainJob](), list[Record]()
        for job in wanted:
            with kept(job, refused, wanted):
                looked += looked_at(job, loaded, dataset, place, session)
                sound.append(job)
        make(looked, loaded, dataset, place, session)
        for job in sound:
            with kept(job, refused, wanted):
                records.append(evaluate(job, loaded, dataset, place, session))
                say(str(records[-1]))
        return records

    return each(work, place, act)
