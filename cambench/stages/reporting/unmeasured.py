"""What a ranking of the records at hand lacks: explainers and metrics that are not measured, and what measures them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cambench.explainers import find_explainer
from cambench.metrics import find_metric
from cambench.recipes import rankings
from cambench.stages.workplace import TARGET
from cambench.store.records import Record, read_origin, rows_path

if TYPE_CHECKING:
    from cambench.stages.reporting.rank import Wanted

NOT_MEASURED = "Not measured"
"""How a sentence on what lacks begins."""
Lacks = Mapping[str, Sequence[str]]
"""Explainer -> the metrics that some network lacks with it."""


def unmeasured(records: Sequence[Record], wanted: Wanted) -> list[str]:
    """A sentence a data set on the explainers and metrics that some network lacks, with the command that measures them.

    records: those to be ranked. wanted: explainers and metrics, of which those at hand are meant where none is named, and
    all of a preset's where `cambench rank --preset` measured these.
    """
    places = dict.fromkeys((record.dataset, record.split) for record in records)
    every = [lacking([r for r in records if (r.dataset, r.split) == place], wanted) for place in places]
    return [sentence for sentence in every if sentence]


def lacking(own: Sequence[Record], wanted: Wanted) -> str:
    """The sentence of one data set; "" where nothing lacks."""
    origin = read_origin(rows_path(own[0].path)) or {}
    explainers, metrics = wanted.explainers or names(own, "explainer"), wanted.metrics or names(own, "metric")
    preset = "" if wanted.explainers or wanted.metrics or "evenly" not in origin else preset_of(explainers, metrics)
    if preset:
        explainers, metrics = lists(preset)
    there = {(r.run, r.explainer, r.metric) for r in own}
    lacks = {e: [m for m in metrics if any((run, e, m) not in there for run in names(own, "run"))] for e in explainers}
    if not any(lacks.values()):
        return ""
    where, words = f"{own[0].dataset} {own[0].split}", command(own, lacks, metrics, preset, origin)
    return f"{NOT_MEASURED} on {where}: {in_words(lacks, metrics)}. `{shlex.join(words)}` measures what can be."


def names(own: Sequence[Record], kind: str) -> list[str]:
    """The runs, explainers, metrics or targets of records."""
    return list(dict.fromkeys(name for record in own if (name := getattr(record, kind))))


def lists(preset: str) -> tuple[list[str], list[str]]:
    """The explainers and metrics of a preset, as records name them."""
    recipe = rankings.preset(preset)
    return [find_explainer(name).name for name in recipe.explainers], [find_metric(name).name for name in recipe.metrics]


def preset_of(explainers: Sequence[str], metrics: Sequence[str]) -> str:
    """The first preset that lists all of these; "" where none does."""
    of = {name: lists(name) for name in rankings.recipes()}
    return next((name for name, (e, m) in of.items() if {*explainers} <= {*e} and {*metrics} <= {*m}), "")


def in_words(lacks: Lacks, metrics: Sequence[str]) -> str:
    """`ch; legrad; random (iauc)`: a metric that lacks with all, an explainer that lacks in all others, and single pairs."""
    whole = [m for m in metrics if all(m in of for of in lacks.values())]
    rest = {e: [m for m in of if m not in whole] for e, of in lacks.items()}
    most = len(metrics) - len(whole)
    return "; ".join([*whole, *(e if len(of) == most else f"{e} ({', '.join(of)})" for e, of in rest.items() if of)])


def command(
    own: Sequence[Record], lacks: Lacks, metrics: Sequence[str], preset: str, origin: Mapping[str, Any]
) -> list[str]:
    """What measures them on the same images, in words. origin: how these are loaded."""
    asked = {"-e": [*lacks], "-m": [*metrics], "-t": [t for t in names(own, "target") if t != TARGET]}
    words = ["cambench", "rank", *names(own, "run"), "--dataset", str(origin.get("spec", own[0].dataset))]
    if "evenly" in origin:
        words += ["--preset", preset or "quick", "--images", str(origin["evenly"])]
    else:
        words[1] = "eval"
        asked |= {"-e": [e for e in lacks if lacks[e]], "-m": [m for m in metrics if any(m in of for of in lacks.values())]}
    return words + [word for option, values in asked.items() if not preset for value in values for word in (option, value)]
