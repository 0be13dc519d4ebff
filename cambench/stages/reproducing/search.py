"""Search: one method at many learning rates, each an ordinary run, and the rate whose maps localise best.

The WSOL benchmark draws 30 rates log-uniformly and takes the best by localisation on its val split (CALM supplement E).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cambench import data, seeds
from cambench.explainers import find_explainer
from cambench.metrics import Metric, find_metric
from cambench.stages import workplace
from cambench.stages.measuring.evaluate import check, evaluate
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.measuring.works import jobs_of
from cambench.stages.network import load_network
from cambench.stages.progress import say
from cambench.stages.training.own import load_recipe
from cambench.stages.training.train import TrainJob, train
from cambench.store.runs import Run
from cambench.targets import find_target
from cambench.vocabulary import CambenchError, Dataset, NotFiniteError, UsageError, number_of

RATE = "optimizer.lr"
UNSOUND = "diverged, ended at chance, was not finite or began with such weights"
"""What leaves a draw a note."""


@dataclass(frozen=True)
class SearchJob:
    """What `cambench search` was asked for. explainer "": the method's own, CALM's or the score map.

    low, high: the range of the rates. split: on which the metric decides, never that of the report.
    """

    training: TrainJob
    metric: str
    draws: int = 30
    low: float = 1e-5
    high: float = 1.0
    split: str = "val"
    explainer: str = ""
    target: str = "logit"


@dataclass(frozen=True)
class Draw:
    """One learning rate, its run, and the value of the metric; both None where training or network was not finite.

    failed: what went wrong in its training (not finite, diverged, ended at chance), "" where nothing did: a sound draw.
    """

    lr: float
    run: Run | None = None
    value: float | None = None
    failed: str = ""


def rates(job: SearchJob) -> list[float]:
    """low·(high/low)^u, u uniform by (seed, number of the draw): the first of many draws are those of few.

    Six significant digits, so that a rate that was found can be typed. Raises: UsageError for a range that is none.
    """
    if not 0 < job.low < job.high:
        raise UsageError(f"search: expected 0 < low < high, got {job.low:g} and {job.high:g}.")
    uniform = [seeds.derive(job.training.seed, "search", i) / 2**63 for i in range(job.draws)]
    return [float(f"{job.low * (job.high / job.low) ** u:.6g}") for u in uniform]


def search(job: SearchJob, place: workplace.Place) -> tuple[list[Draw], Draw]:
    """Every draw, trained and measured unless it is already, and the best, whose run keeps them all as its fact `search`.

    Raises: UsageError and DataError before anything is trained; CambenchError where no draw has a value.
    """
    wanted, drawn = prepared(job, place), []
    for i, lr in enumerate(rates(job), 1):
        say(f"draw {i} of {job.draws}: {RATE} = {lr:g}")
        drawn.append(
            measured(replace(job.training, overrides=[*job.training.overrides, f"{RATE}={lr!r}"]), lr, wanted, place)
        )
    best = chosen(drawn, find_metric(job.metric))
    assert best.run is not None
    if best.failed:
        draws = number_of(len(drawn), "draw")
        say(f"search: no rate to recommend: each of {draws} {UNSOUND}; change the range, or train longer.")
    listing = [
        {"lr": d.lr, "value": d.value, "run": d.run.name if d.run else None, **({"failed": d.failed} if d.failed else {})}
        for d in drawn
    ]
    facts = {"metric": wanted.measuring.metric, "split": job.split, "explainer": wanted.measuring.explainer}
    best.run.save(search={**facts, "target": job.target, "low": job.low, "high": job.high, "draws": listing})
    return drawn, best


@dataclass(frozen=True)
class Wanted:
    """What is measured of every draw, and on which images."""

    measuring: EvalJob
    dataset: Dataset


def prepared(job: SearchJob, place: workplace.Place) -> Wanted:
    """Everything that can be wrong is wrong before the first training.

    Raises: UsageError for a rate in the overrides, an unknown name, or a metric that the data cannot answer.
    """
    training = job.training
    if any(text.partition("=")[0].strip() == RATE for text in training.overrides):
        raise UsageError(f"search: it draws {RATE} itself; leave --set {RATE} out.")
    recipe = load_recipe(training.method, training.dataset.partition(":")[0], training.arch, training.overrides)
    jobs_of([job.metric], [job.explainer] if job.explainer else None, None)
    explainer = job.explainer or ("calm" if recipe.objective == "calm" else "score-map")
    measuring = EvalJob(find_metric(job.metric).name, find_explainer(explainer).name, job.target)
    find_target(job.target)
    rates(job)
    dataset = data.load(training.dataset, job.split, place.data, classes=training.classes)
    check(find_metric(job.metric), measuring, dataset)
    return Wanted(measuring, dataset)


def measured(training: TrainJob, lr: float, wanted: Wanted, place: workplace.Place) -> Draw:
    """One draw. A rate at which the numbers leave the finite is said and has no value; every other failure is one."""
    try:
        run = train(training, place)
        record = evaluate(wanted.measuring, load_network(run, place), wanted.dataset, place)
    except NotFiniteError as e:
        say(f"{RATE} = {lr:g}: no value: {e}")
        return Draw(lr, failed=str(e))
    say(str(record))
    return Draw(lr, run, next(iter(record.values.values())).value, " ".join(record.warnings))


def chosen(drawn: Sequence[Draw], metric: Metric) -> Draw:
    """The best draw: a sound one before any whose training went wrong, whatever their values; of equal ones the first.

    Raises: CambenchError where none has a value.
    """
    sign = -1 if metric.direction(metric.variants[0]) == "down" else 1
    known = [((not draw.failed, sign * draw.value), draw) for draw in drawn if draw.value is not None]
    if not known:
        raise CambenchError(f"search: expected a value of at least one draw, got none of {len(drawn)}; lower --high.")
    return max(known, key=lambda pair: pair[0])[1]


def listed(drawn: Sequence[Draw], best: Draw) -> list[dict[str, str]]:
    """The draws as rows of a listing, by their rates; the best is marked where it is sound."""
    rows = []
    for draw in sorted(drawn, key=lambda d: d.lr):
        mark = " best" if draw is best and not draw.failed else ""
        value = "failed: not finite" if draw.value is None else f"{draw.value:.2f}{mark}"
        run = draw.run.name if draw.run else ""
        rows.append({"learning rate": f"{draw.lr:g}", "value": value, "run": run, "note": draw.failed})
    return rows
