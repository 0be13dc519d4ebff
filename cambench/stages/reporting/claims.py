"""Claims: what the papers say, judged by the records at hand."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from cambench import data
from cambench.recipes.claims import Claim, check_ids, papers
from cambench.recipes.experiments import asked
from cambench.report import Table
from cambench.report.claims.effects import Columns
from cambench.report.claims.verdicts import Evidence, Judgement, everywhere, with_holm
from cambench.report.formats import claims as formats
from cambench.report.tables.select import has_metric
from cambench.stages.listing import output, print_rows
from cambench.stages.names import claims_of
from cambench.stages.reporting.choice import of_task
from cambench.stages.workplace import Place
from cambench.store.records import read_columns, read_records, rows_path
from cambench.store.runs import read_run

if TYPE_CHECKING:
    import pandas as pd


def judgements(names: Sequence[str], place: Place, on: str | None = None) -> list[Judgement]:
    """The claims of experiments, papers, or by their ids (none named: all), wherever they are measured.

    An experiment's are judged on its own data sets alone; on: on this data set alone, or on the one of its family whose
    labels are as those of the claim's own. Raises: UsageError for an unknown claim or data set.
    """
    judged, pairs = evidence(place.results), dict[tuple[str, str | None], Claim]()
    for name, spec, _ in asked(names or papers(), on):
        own = claims_of(name, place)
        check_ids(name, own, pairs.values())
        pairs |= {(claim.id, spec): claim for claim in own}
    return with_holm([j for (_, spec), claim in pairs.items() for j in everywhere(claim, judged, standing(claim, spec))])


def standing(claim: Claim, on: str | None) -> str | None:
    """The name of the data set of a family that stands in for a claim's own."""
    return None if on is None else of_task(data.resolve(on)[0], claim.on[0], data.called(on))


def frame(names: Sequence[str], place: Place, on: str | None = None) -> pd.DataFrame:
    """The same, a row a comparison, numbers unrounded."""
    import pandas as pd

    return pd.DataFrame(formats.tidy(judgements(names, place, on)))


def evidence(results: Path) -> Evidence:
    """Every record under a results root whose metric is known."""
    records = [record for record in read_records(results) if has_metric(record)]
    columns = lru_cache(maxsize=64)(columns_of)
    return Evidence(records, lambda record: columns(record.path), lambda run: read_run(results / "runs" / run))


def columns_of(path: Path) -> Columns:
    """The rows beside a record, over the images that count."""
    stored = read_columns(rows_path(path))
    ids = [name.decode() for name in stored.pop("id").tolist()]
    columns = {name: torch.from_numpy(column) for name, column in stored.items()}
    counted = columns.get("counted", torch.ones(len(ids), dtype=torch.bool))
    kept = {"" if name == "value" else name: column[counted] for name, column in columns.items()}
    return Columns(kept, [name for name, counts in zip(ids, counted.tolist(), strict=True) if counts])


def show_claims(
    made: Sequence[Judgement],
    form: str,
    html: Path | None,
    place: Place,
    *,
    power: bool = False,
    lacks: Sequence[Table] = (),
) -> None:
    """The judgements on stdout, or the page and its path. lacks: tables whose footnotes say why something lacks."""
    if html is not None:
        from cambench.stages.reporting.page import write_page

        sys.stdout.write(f"{write_page(html, (), place.results, place.data, made, power=power)}\n")
    elif form == "terminal":
        print_judgements(made, power=power)
        for sentence in dict.fromkeys(text for table in lacks for text in table.footnotes if "ot measured: " in text):
            output().print(sentence, style="dim", soft_wrap=True)
    else:
        sys.stdout.write(render(made, form, power=power))


def print_judgements(made: Sequence[Judgement], *, power: bool = False) -> None:
    """One line a claim, with the comparison that decides; of a single claim every comparison; then the notes."""
    console = output()
    console.print(formats.counted(made), style="bold", soft_wrap=True)
    every = len({judgement.claim.id for judgement in made}) == 1
    if every:
        console.print(made[0].claim.sentence, f"({made[0].claim.source})")
    for paper, own in formats.by_paper(made).items():
        shown = formats.brief(own, every=every, power=power)
        for where, lines in shown.items():
            console.print(f"\n{paper}, {where}", style="bold")
            print_rows(lines)
        if (sentence := formats.unmeasured(own)) and not (every and shown):
            console.print(f"\n{paper}: {sentence}")
    console.print("")
    for sentence in formats.notes(made):
        console.print(sentence, style="dim", soft_wrap=True)


def render(made: Sequence[Judgement], form: str, *, power: bool = False) -> str:
    """The judgements as text: latex, markdown, csv or json; the last two have every comparison and the seeds it needs."""
    if form in ("csv", "json"):
        return {"csv": formats.csv, "json": formats.as_json}[form](made)
    return {"latex": formats.latex, "markdown": formats.markdown}[form](made, power=power)
