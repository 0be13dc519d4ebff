"""Paired: two runs compared over the same images, from the per-image rows of their records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from cambench.explainers import find_explainer
from cambench.lookup import canonical
from cambench.metrics import find_metric
from cambench.report.tables import paired
from cambench.stages import workplace
from cambench.stages.network import GIVEN, LAST
from cambench.stages.reporting.report import output, print_rows
from cambench.store.records import read_rows, records_of, rows_path
from cambench.store.runs import Run, find_run
from cambench.vocabulary import UsageError


def run_of(spec: str, results: Path) -> Run:
    """The run that RUN names, a given network by its own name as well."""
    return find_run(workplace.slug(spec) if spec.startswith(GIVEN) else spec, results)


def sides(run: Run, results: Path, explainer: str | None, target: str | None) -> list[paired.Side]:
    """A run's records of its last epoch that hold a value an image, of the explainer and target asked for, if any is."""
    found = []
    for path, record in records_of(results, run.name):
        other = explainer is not None and record.explainer not in (None, find_explainer(explainer).name)
        if (
            not other
            and record.checkpoint == LAST
            and find_metric(record.metric).mean is None
            and (target is None or record.target is None or canonical(record.target) == canonical(target))
        ):
            found.append(paired.Side(record, partial(read_rows, rows_path(path))))
    return found


def compare(
    names: tuple[str, str], wanted: Sequence[str], results: Path, explainer: str | None = None, target: str | None = None
) -> tuple[tuple[str, str], list[paired.Comparison]]:
    """The names of the two runs, and a comparison a metric, variant, explainer and target.

    Raises: UsageError where there is nothing to compare, a metric has no value an image, or the runs saw different images.
    """
    whole = [name for name in wanted if find_metric(name).mean is not None]
    if whole:
        raise UsageError(
            f"--paired: expected metrics with a value an image, got {whole[0]}, which has one over all; leave it out."
        )
    a, b = (run_of(name, results) for name in names)
    if a.name == b.name:
        raise UsageError(f"--paired: expected two runs, got {a.name} twice.")
    both = [sides(run, results, explainer, target) for run in (a, b)]
    for run, side in zip((a, b), both, strict=True):
        if not side:
            raise UsageError(f"{run.name} has no record to compare; measure something with `cambench eval {run.name}`.")
    return (a.name, b.name), paired.compare(both[0], both[1], wanted)


def render(names: tuple[str, str], found: Sequence[paired.Comparison], form: str) -> str:
    """The comparisons as csv or json."""
    rows = paired.tidy(found, *names)
    if form == "json":
        return json.dumps(rows) + "\n"
    return str(pd.DataFrame(rows).to_csv(index=False, lineterminator="\n", float_format="%.10g"))


def print_comparisons(names: tuple[str, str], found: Sequence[paired.Comparison]) -> None:
    """The table on stdout, which run is which above it, what the numbers are beneath it."""
    console = output()
    for line in (f"A: {names[0]}", f"B: {names[1]}"):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    lines = [paired.printed(comparison) for comparison in found]
    where = dict.fromkeys(line["on"] for line in lines)
    console.print(f"Measured on {next(iter(where))}\n" if len(where) == 1 else "", highlight=False, markup=False)
    print_rows([{k: v for k, v in line.items() if k != "on" or len(where) > 1} for line in lines])
    for line in ("", *paired.notes(found)):
        console.print(line, highlight=False, markup=False, style="dim")
