"""The report as one self-contained HTML page, with findings, curves and a gallery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cambench.files import write_text
from cambench.report import Table
from cambench.report.claims.records import selects_of
from cambench.report.claims.verdicts import Judgement
from cambench.report.formats.claims import section
from cambench.report.formats.curves import Curve
from cambench.report.formats.headline import Headline, headlines
from cambench.report.formats.html import Page, html
from cambench.report.formats.introduction import introduction
from cambench.report.tables.select import LAST, has_metric, looking
from cambench.stages.reporting.claims import judgements
from cambench.stages.reporting.gallery import gallery, labelled_runs
from cambench.stages.reporting.report import EVERYTHING
from cambench.stages.reporting.selection import Selection
from cambench.stages.workplace import Place
from cambench.store.provenance import versions
from cambench.store.records import read_records, read_rows, rows_path
from cambench.store.runs import read_runs

QUANTITIES = ("loss", "training_accuracy", "validation_accuracy", "consistency")
TITLE = "Do the heatmaps show what they should?"


def write_page(
    path: Path,
    made: Sequence[Table],
    results: Path,
    data_root: Path,
    judged: Sequence[Judgement] | None = None,
    *,
    shown: Selection = EVERYTHING,
    power: bool = False,
) -> Path:
    """The report as one self-contained HTML page; the summary is introduced and has its findings in words.

    judged: a page of these claims alone; else the summary's has every claim that is measured. shown: of which metrics and
    explainers findings, claims and heatmaps are. power: with the seeds that would decide each claim.
    """
    runs, summed = read_runs(results), judged is None and all(table.summary for table in made)
    claims = measured(judgements((), Place(data_root, results)), shown) if summed else judged or []
    own = runs if judged is None else []
    curves = [Curve(run.name, label, run.log(), run.info.dataset) for run, label in labelled_runs(own)]
    page = Page(
        title=TITLE,
        introduction=introduction([run.info for run in runs]) if summed else (),
        headlines=headline_of(results, shown) if summed else (),
        tables=made,
        curves=[curve for curve in curves if curve.epochs],
        galleries=gallery(own, results, data_root, shown.names()[1]),
        claims=section(claims, power=power),
        quantities=QUANTITIES,
        provenance=versions(),
    )
    write_text(path, html(page))
    return path


def measured(judged: Sequence[Judgement], shown: Selection) -> list[Judgement]:
    """The claims that are measured and of which a side is shown, each judged by all records that bear on it."""
    wanted = shown.wanted()
    return [
        one
        for one in judged
        if one.where is not None
        and one.verdict != "not measured"
        and any(wanted(select) for part in one.claim.parts for select in selects_of(one.claim, part, one.where))
    ]


def headline_of(results: Path, shown: Selection) -> list[Headline]:
    """Each method against the baseline, from the records that are shown and their rows."""
    records = [record for record in read_records(results) if record.checkpoint == LAST and has_metric(record)]
    return headlines(looking(records, *shown.names()), lambda record: read_rows(rows_path(record.path)))
