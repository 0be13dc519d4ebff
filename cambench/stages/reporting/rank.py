"""Rank: explainers × metrics from the records at hand, in order and with what tells them apart."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cambench.explainers import find_explainer
from cambench.files import write_text
from cambench.lookup import canonical
from cambench.metrics import find_metric
from cambench.report import Table
from cambench.report.figures.critical_difference import critical_difference
from cambench.report.figures.plots import svg_uri
from cambench.report.formats.html import Page, Picture, html
from cambench.report.ranking import tables
from cambench.report.ranking.blocks import EXPLAINERS, rank
from cambench.report.ranking.ranking import Ranking, groups
from cambench.report.ranking.sources import complete, sources, unrankable
from cambench.report.tables.paired import Side
from cambench.report.tables.select import has_metric
from cambench.stages.reporting.report import print_tables, render
from cambench.stages.reporting.selection import measured_on
from cambench.stages.workplace import Place, run_of
from cambench.store.provenance import versions
from cambench.store.records import Record, read_records, read_rows, rows_path
from cambench.store.runs import find_seeds
from cambench.targets import settled as settled_target
from cambench.vocabulary import UsageError

TITLE = "Which explainer ranks best?"
NOT_MEASURED = "Not measured"
"""How a sentence on what lacks begins."""
MEASURES = "measure what lacks with --preset quick, or with `cambench eval`"
ACCURACY = "top1"
"""What is said beneath a ranking: a network that is hardly ever right may have its classes in another order."""


@dataclass(frozen=True)
class Wanted:
    """Of which runs, metrics, explainers, targets and data; none named is all. split: `eval` is any."""

    runs: Sequence[str] = ()
    metrics: Sequence[str] = ()
    explainers: Sequence[str] = ()
    targets: Sequence[str] = ()
    dataset: str | None = None
    split: str = "eval"

    def settled(self, results: Path) -> Wanted:
        """The same by the names that records have. Raises: UsageError for an unknown one."""
        return Wanted(
            [run.name for name in self.runs for run in find_seeds(name, results) or [run_of(name, results)]],
            [find_metric(name).name for name in self.metrics],
            [find_explainer(name).name for name in self.explainers],
            [canonical(settled_target(name)) for name in self.targets],
            self.dataset,
            self.split,
        )

    def holds(self, record: Record) -> bool:
        """Whether a record's run, metric and maps are meant, whose names are those of `settled`."""
        return (
            record.run in (self.runs or [record.run])
            and record.metric in (self.metrics or [record.metric])
            and (not self.explainers or record.explainer in self.explainers)
            and canonical(record.target or "") in (self.targets or [canonical(record.target or "")])
        )


def at_hand(wanted: Wanted, place: Place) -> tuple[list[Record], list[str], list[Record]]:
    """The records that are meant and can be ranked, the sentences on metrics that cannot and on what is not measured, and
    all records, in which the networks' accuracy is.

    Raises: UsageError for an unknown name, or where nothing of it is measured.
    """
    wanted, on = wanted.settled(place.results), measured_on(wanted.dataset, wanted.split)
    every = [record for record in read_records(place.results) if has_metric(record)]
    records = [r for r in every if on(r) and wanted.holds(r) and (r.metric != ACCURACY or ACCURACY in wanted.metrics)]
    metrics, left = rankable(dict.fromkeys(record.metric for record in records))
    kept = [record for record in records if record.metric in metrics]
    if not kept:
        where = place.results / "records"
        raise UsageError(
            " ".join([f"rank: expected records of explainers under {where}, got none that is asked for; {MEASURES}.", *left])
        )
    return kept, [*left, *unmeasured(kept, wanted)], every


def unmeasured(records: Sequence[Record], wanted: Wanted) -> list[str]:
    """A sentence a data set on the explainers and metrics that are named and of which it has no record."""
    made, metrics = list[str](), rankable(wanted.metrics)[0]
    for place in dict.fromkeys((record.dataset, record.split) for record in records):
        own = [record for record in records if (record.dataset, record.split) == place]
        lacks = [e for e in wanted.explainers if all(record.explainer != e for record in own)]
        lacks += [m for m in metrics if all(record.metric != m for record in own)]
        if lacks:
            made.append(f"{NOT_MEASURED} on {' '.join(place)}: {', '.join(lacks)}; {MEASURES}.")
    return made


def accuracy(records: Sequence[Record], ranked: Sequence[Record]) -> list[str]:
    """How often each network is right on the images of a ranking, where that is measured."""
    places = {(r.run, r.dataset, r.split, *r.partial) for r in ranked}
    own = [r for r in records if r.metric == ACCURACY and (r.run, r.dataset, r.split, *r.partial) in places]
    shares = [(r, r.values[""]) for r in own]
    return [f"{r.run} is right on {v.value:.1f} % of {v.n:,} images of {r.dataset} {r.split}." for r, v in shares]


def rankable(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The metrics that rank explainers image by image, as their entries are called, and a sentence on each other."""
    entries = [find_metric(name) for name in names]
    left = [f"Left out: {metric.name}, {reason}." for metric in entries if (reason := unrankable(metric))]
    return [metric.name for metric in entries if not unrankable(metric)], left


def rankings(records: Sequence[Record], left: Sequence[str] = (), right: Sequence[Record] = ()) -> list[Ranking]:
    """One a data set and split; where there are several, one of all their images at the end, if that has explainers and a
    metric in common. left: what is left out already; a data set that cannot be ranked beside others joins it. right: the
    records in which to look for how often the networks are right.

    Raises: UsageError for fewer than two explainers or five images, where no data set can be ranked.
    """
    every = sources(Side(record, partial(read_rows, rows_path(record.path))) for record in records)
    made, refused = list[Ranking](), list[UsageError]()
    for where in dict.fromkeys(source.where for source in every):
        try:
            made.append(rank(where, [source for source in every if source.where == where]))
        except UsageError as e:
            refused.append(e)
    if not made:
        raise UsageError(" ".join([str(refused[0]), *(text for text in left if text.startswith(NOT_MEASURED))]))
    places = [ranking.where for ranking in made]
    own = [source for source in every if source.where in places]
    explainers, common, _ = complete(own)
    if len(places) > 1 and common and len(explainers) >= EXPLAINERS:
        made.append(rank(" and ".join(places), own))
    beside = [f"Not ranked: {error}" for error in refused]
    return [replace(one, left=(*accuracy(right, [r for _, r in one.records]), *left, *beside, *one.left)) for one in made]


def show(made: Sequence[Ranking], form: str, page: Path | None) -> None:
    """The tables on stdout, or the page with its diagrams and its path. For a person the pairs of explainers are letters."""
    every = [tables.tables(ranking) for ranking in made]
    brief = [table for own in every for table in (own[0], *own[2:])]
    if page is not None:
        write_text(page, html(page_of(made, [table for own in every for table in own])))
        sys.stdout.write(f"{page}\n")
    elif form == "terminal":
        print_tables(brief)
    else:
        shown = [table for own in every for table in own] if form in ("csv", "json") else brief
        sys.stdout.write(render(shown, form))


def page_of(made: Sequence[Ranking], shown: Sequence[Table]) -> Page:
    """The page: a diagram a ranking above all tables."""
    diagrams = [
        Picture(svg_uri(critical_difference(r, groups(r, r.pairs))), f"Critical-difference diagram of {r.where}", r.where)
        for r in made
    ]
    return Page(title=TITLE, tables=shown, diagrams=diagrams, provenance=versions())
