"""The verbs as Python functions, with the names and defaults of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cambench.report import Table
from cambench.stages import workplace
from cambench.stages.measuring import works
from cambench.stages.measuring.explain import ExplainJob
from cambench.stages.reporting import report as reporting
from cambench.stages.training.train import TrainJob
from cambench.stages.training.train import train as train_job
from cambench.store.records import Record
from cambench.store.runs import Run

HERE = workplace.Place()


def train(method: str, dataset: str, *, place: workplace.Place = HERE, **options: Any) -> Run:
    """Train a method on a data set. options: arch, seed, classes, weights, overrides (`a.b=value` texts), again."""
    return train_job(TrainJob(method, dataset, **options), place)


def explain(
    runs: Sequence[str] = (),
    explainer: str = "grad-cam",
    target: str = "logit",
    *,
    view: str = "resize-center-crop",
    place: workplace.Place = HERE,
    **options: Any,
) -> list[Path]:
    """Heatmap files of the runs (none: every finished one).

    options: dataset, split, limit, layer, weights, precision, checkpoint, class_sets, map_classes, again.
    """
    return works.explain_all(works.Works(runs, **options), ExplainJob(explainer, target, view=view), place)


def evaluate(
    metrics: Sequence[str],
    runs: Sequence[str] = (),
    explainer: str | None = None,
    target: str | None = None,
    *,
    place: workplace.Place = HERE,
    **options: Any,
) -> list[Record]:
    """Records of the metrics for the runs (none: every finished one), of `grad-cam` and `logit` where no other is named.

    options: as of `explain`. Raises: UsageError for an explainer or target that a metric does not look at.
    """
    wanted = works.jobs_of(metrics, None if explainer is None else [explainer], None if target is None else [target])
    return works.evaluate_all(works.Works(runs, **options), wanted, place)


def report(tables: Sequence[str] = (), *, paper: str | None = None, place: workplace.Place = HERE) -> list[Table]:
    """Tables of what was measured: the summary, or a paper's own."""
    return reporting.tables([*tables, *([paper] if paper else [])], place)
