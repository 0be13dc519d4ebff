"""Paired: two runs, or two explainers or targets of one run, over the same images, from the rows of their records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import pandas as pd

from cambench.explainers import find_explainer
from cambench.lookup import canonical
from cambench.metrics import find_metric
from cambench.report.formats import latex, markdown
from cambench.report.tables import paired
from cambench.report.tables.select import LAST, has_metric
from cambench.stages.listing import output, print_rows
from cambench.stages.reporting.selection import measured_on
from cambench.stages.workplace import run_of
from cambench.store.records import read_rows, records_of, rows_path
from cambench.store.runs import Run, find_seeds
from cambench.vocabulary import UsageError, number_of

T = TypeVar("T")


def sides(run: Run, results: Path, explainer: str | None, target: str | None, apart: str) -> list[paired.Side]:
    """A run's records of its last epoch that hold a value an image, of the explainer and target asked for, if any is.

    apart: the fact in which A and B differ; where it is one of the maps, records of no maps are none of them.
    """
    return [
        paired.Side(record, partial(read_rows, rows_path(record.path)))
        for record in records_of(results, run.name)
        if record.checkpoint == LAST
        and has_metric(record)
        and find_metric(record.metric).rows.mean is None
        and (record.explainer in (None, explainer) or explainer is None)
        and (record.target is None or canonical(record.target) == target or target is None)
        and (apart == "run" or record.explainer is not None)
    ]


def compare(
    runs: Sequence[str],
    wanted: Sequence[str],
    explainers: Sequence[str],
    targets: Sequence[str],
    results: Path,
    *,
    dataset: str | None = None,
    split: str = "eval",
) -> tuple[tuple[str, str], list[paired.Comparison]]:
    """The names of A and B, and a comparison a metric, variant, explainer and target.

    A and B are two runs, or two explainers or two targets of one run; a beginning that the runs of several seeds of one
    training share means all of them, matched by seed. dataset, split: on which alone; None, `eval`: on any.
    Raises: UsageError where there is nothing to compare, a metric has no value an image, or A and B saw different images.
    """
    whole = [name for name in wanted if find_metric(name).rows.mean is not None]
    if whole:
        raise UsageError(
            f"compare: expected metrics with a value an image, got {whole[0]}, which has one over all; leave it out."
        )
    apart = differing(runs, explainers, targets)
    opened = [find_seeds(name, results) or [run_of(name, results)] for name in runs]
    explainers, targets = [find_explainer(name).name for name in explainers], [canonical(name) for name in targets]
    names = [called(its) for its in opened]
    if apart != "run":
        names = [f"{names[0]}, {name}" for name in (explainers if apart == "explainer" else targets)]
    if names[0] == names[1]:
        raise UsageError(f"compare: expected two different things, got {names[0]} twice.")
    asked, on = list(zip(both(explainers or [None]), both(targets or [None]), strict=True)), measured_on(dataset, split)

    def of_pair(pair: tuple[Run, Run]) -> list[paired.Comparison]:
        every = (sides(run, results, *maps, apart) for run, maps in zip(pair, asked, strict=True))
        a, b = ([side for side in own if on(side.record)] for own in every)
        for name, side, run, (explainer, target) in zip(names, (a, b), pair, asked, strict=True):
            if not side:
                metrics = "".join(f" -m {metric}" for metric in wanted or ["METRIC"])
                options = {"-e": explainer, "-t": target, "-d": dataset, "--split": split if split != "eval" else None}
                of = "".join(f" {option} {value}" for option, value in options.items() if value)
                mend = f"measure some with `cambench eval {run.name}{metrics}{of}`"
                raise UsageError(f"{name} has no record to compare; {mend}.")
        return paired.compare(a, b, wanted, apart)

    first, *others = [of_pair(pair) for pair in by_seed(*both(opened))]
    return (names[0], names[1]), paired.over_seeds([first, *others]) if others else first


def called(runs: Sequence[Run]) -> str:
    """A run's name, or what the names of several seeds begin with, and the seeds."""
    if len(runs) == 1:
        return runs[0].name
    return f"{runs[0].name.rpartition('-s')[0]}, seeds {', '.join(str(run.info.seed) for run in runs)}"


def by_seed(a: Sequence[Run], b: Sequence[Run]) -> list[tuple[Run, Run]]:
    """The runs of A and B of equal seeds; one of each whatever its seed.

    Raises: UsageError where several of them have no seed in common.
    """
    if len(a) == len(b) == 1:
        return [(a[0], b[0])]
    others = {run.info.seed: run for run in b}
    pairs = [(run, others[run.info.seed]) for run in a if run.info.seed in others]
    if not pairs:
        raise UsageError(f"compare: expected a seed that both have, got {called(a)} and {called(b)}.")
    return pairs


def differing(runs: Sequence[str], explainers: Sequence[str], targets: Sequence[str]) -> str:
    """In which fact A and B differ: "run", "explainer" or "target".

    Raises: UsageError where it is none of them, or more than one.
    """
    counts = {"run": len(runs), "explainer": len(explainers), "target": len(targets)}
    two = [fact for fact, n in counts.items() if n == 2]
    if len(two) != 1 or max(counts.values()) > 2:
        got = ", ".join(number_of(n, fact) for fact, n in counts.items())
        raise UsageError(
            "compare: expected two runs, or one run with two --explainer or two --target, and at most one of the others; "
            f"got {got}."
        )
    return two[0]


def both(given: Sequence[T]) -> tuple[T, T]:
    """What A and what B has: two things, or one that they share."""
    return given[0], given[-1]


def render(names: tuple[str, str], comparisons: Sequence[paired.Comparison], form: str) -> str:
    """The comparisons as latex, markdown, csv or json; the last two have every digit."""
    rows, lines = paired.tidy(comparisons, *names), [paired.printed(comparison) for comparison in comparisons]
    above, below = [f"A: {names[0]}", f"B: {names[1]}"], paired.notes(comparisons)
    if form == "latex":
        return latex.NEEDS + latex.listing(lines, above, below)
    if form == "markdown":
        return markdown.listing(lines, above, below)
    if form == "json":
        return json.dumps(rows) + "\n"
    return str(pd.DataFrame(rows).to_csv(index=False, lineterminator="\n", float_format="%.10g"))


def print_comparisons(names: tuple[str, str], comparisons: Sequence[paired.Comparison]) -> None:
    """A table a data set on stdout, which run is which above them, what the numbers are beneath them."""
    console, tables = output(), dict[str, list[dict[str, str]]]()
    for comparison in comparisons:
        line = paired.printed(comparison)
        tables.setdefault(line.pop("on"), []).append(line)
    for text in (f"A: {names[0]}", f"B: {names[1]}"):
        console.print(text, soft_wrap=True)
    for where, lines in tables.items():
        console.print(f"Measured on {where}\n", soft_wrap=True)
        print_rows(lines)
        console.print("")
    for text in paired.notes(comparisons):
        console.print(text, style="dim")
