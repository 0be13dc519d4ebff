"""Search: one method with many drawn settings, each an ordinary run, and the draw whose maps localise best.

The WSOL benchmark draws 30 of them and takes the best by localisation on its val split (CALM supplement E). What is drawn is
in the recipe (`[search]`) or in `--range`; see `recipes/ranges.py`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cambench import data, models
from cambench.explainers import INDEX as EXPLAINERS
from cambench.explainers import find_explainer
from cambench.metrics import Metric, find_metric
from cambench.recipes import ranges
from cambench.recipes.ranges import Range
from cambench.recipes.schema import TrainingRecipe
from cambench.report.tables.model import Cell
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
from cambench.vocabulary import TARGET, CambenchError, Dataset, NotFiniteError, number_of

UNSOUND = "diverged, ended at chance, was not finite or began with such weights"
"""What leaves a draw a note."""


@dataclass(frozen=True)
class SearchJob:
    """What `cambench search` was asked for. explainer "": the method's own (`explainer_of`).

    ranges: `a.b=RANGE` texts in place of the recipe's, key by key. split: on which the metric decides, never that of the
    report.
    """

    training: TrainJob
    metric: str
    draws: int = 30
    ranges: Sequence[str] = ()
    split: str = "val"
    explainer: str = ""
    target: str = TARGET


@dataclass(frozen=True)
class Draw:
    """Settings that were drawn, their run, and the value of the metric; both None where training or network was not finite.

    failed: what went wrong in its training (not finite, diverged, ended at chance), "" where nothing did: a sound draw.
    """

    settings: Mapping[str, Any]
    run: Run | None = None
    value: float | None = None
    failed: str = ""

    @property
    def typed(self) -> str:
        """As `--set` options."""
        return " ".join(f"--set {shlex.quote(text)}" for text in ranges.overrides(self.settings))


def search(job: SearchJob, place: workplace.Place) -> tuple[list[Draw], Draw]:
    """Every draw, trained and measured unless it is already, and the best, whose run keeps them all as its fact `search`.

    Raises: UsageError and DataError before anything is trained; CambenchError where no draw has a value.
    """
    wanted, drawn = prepared(job, place), []
    for key, of in wanted.ranges.items():
        say(f"search: {key} from {of.text}")
    for i, settings in enumerate(wanted.draws, 1):
        say(f"draw {i} of {job.draws}: {', '.join(ranges.overrides(settings))}")
        drawn.append(measured(job.training, settings, wanted, place))
    best = chosen(drawn, find_metric(job.metric))
    if best.failed:
        draws = number_of(len(drawn), "draw")
        say(f"search: nothing to recommend: each of {draws} {UNSOUND}; change the ranges, or train longer.")
    measuring = wanted.measuring
    facts = {"metric": measuring.metric, "split": job.split, "explainer": measuring.explainer, "target": measuring.target}
    keep(drawn, best, wanted.ranges, facts)
    return drawn, best


def keep(drawn: Sequence[Draw], best: Draw, of: Mapping[str, Range], facts: Mapping[str, Any]) -> Run:
    """Keep a search as the fact `search` of its best draw's run. facts: by what it was decided."""
    assert best.run is not None
    listing = [
        {"settings": d.settings, "value": d.value, "run": d.run.name if d.run else None}
        | ({"failed": d.failed} if d.failed else {})
        for d in drawn
    ]
    return best.run.save(search={**facts, "ranges": {key: one.text for key, one in of.items()}, "draws": listing})


@dataclass(frozen=True)
class Wanted:
    """From what is drawn, every draw's settings, what is measured of it, and on which images."""

    ranges: Mapping[str, Range]
    draws: Sequence[Mapping[str, Any]]
    measuring: EvalJob
    dataset: Dataset


def prepared(job: SearchJob, place: workplace.Place) -> Wanted:
    """Everything that can be wrong is wrong before the first training.

    Raises: UsageError for a range that is none, a drawn value that its setting refuses, an unknown name, or a metric that
    the data cannot answer.
    """
    training = job.training
    asked = (training.method, training.dataset.partition(":")[0], training.arch)
    recipe = load_recipe(*asked, training.overrides)
    drawn = ranges.ranges_of(recipe, training.overrides, job.ranges)
    draws = ranges.draws(drawn, training.seed, job.draws)
    for settings in draws:
        load_recipe(*asked, [*training.overrides, *ranges.overrides(settings)])
    jobs_of([job.metric], [job.explainer] if job.explainer else None, None)
    explainer = find_explainer(job.explainer or explainer_of(recipe)).name
    find_target(job.target)
    measuring = EvalJob(find_metric(job.metric).name, explainer, job.target)
    dataset = data.load(training.dataset, job.split, place.data, classes=training.classes)
    check(find_metric(job.metric), measuring, dataset)
    return Wanted(drawn, draws, measuring, dataset)


def explainer_of(recipe: TrainingRecipe) -> str:
    """The explainer whose maps decide where none is named: the objective's own, as CALM's, or the score map."""
    return recipe.objective if recipe.objective in EXPLAINERS else "score-map"


@models.trimming()
def measured(training: TrainJob, settings: Mapping[str, Any], wanted: Wanted, place: workplace.Place) -> Draw:
    """One draw. One at which the numbers leave the finite is said and has no value; every other failure is one."""
    texts = ranges.overrides(settings)
    try:
        run = train(replace(training, overrides=[*training.overrides, *texts]), place)
        record = evaluate(wanted.measuring, load_network(run, place), wanted.dataset, place)
    except NotFiniteError as e:
        say(f"{', '.join(texts)}: no value: {e}")
        return Draw(settings, failed=str(e))
    say(str(record))
    return Draw(settings, run, next(iter(record.values.values())).value, " ".join(record.warnings))


def chosen(drawn: Sequence[Draw], metric: Metric) -> Draw:
    """The best draw: a sound one before any whose training went wrong, whatever their values; of equal ones the first.

    Raises: CambenchError where none has a value.
    """
    sign = -1 if metric.direction(metric.variants[0]) == "down" else 1
    known = [((not draw.failed, sign * draw.value), draw) for draw in drawn if draw.value is not None]
    if not known:
        none = f"expected a value of at least one draw, got none of {len(drawn)}"
        raise CambenchError(f"search: {none}; lower the upper ends of the ranges (--range).")
    return max(known, key=lambda pair: pair[0])[1]


def shown(value: Any) -> str:
    """A drawn value in a listing."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def listed(drawn: Sequence[Draw], best: Draw) -> list[dict[str, Any]]:
    """The draws by their learning rates: settings, value (None where it is not finite), whether it is the best and sound."""
    return [
        {
            **draw.settings,
            "value": draw.value,
            "best": draw is best and not draw.failed,
            "run": draw.run.name if draw.run else "",
            "note": draw.failed,
        }
        for draw in sorted(drawn, key=lambda d: d.settings.get(ranges.RATE, 0.0))
    ]


def in_words(row: Mapping[str, Any], metric: Metric) -> dict[str, str]:
    """A draw as a person reads it, with the metric's decimals, the best marked at its value."""
    cell = Cell(metric.printing.decimals)
    value = "failed: not finite" if row["value"] is None else f"{cell.number(row['value'])}{' best' if row['best'] else ''}"
    return {**{key: shown(cell) for key, cell in row.items() if key != "best"}, "value": value}
