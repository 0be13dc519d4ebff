"""Writes what was measured into the pages of this folder: `python results/measured/pages.py [RESULTS [PAPER…]]`.

Between the marks of a paper's page stand its claims with their verdicts, the values that they compare, and what the
trainings took; between those of README.md the index of the pages. All else is written by hand. `<paper>-claims.csv` has
every comparison and `<paper>.csv` every value, unrounded.

The evidence: the records of RESULTS and those that records/<paper>.tar.xz keeps from before; together they are kept again.
A verdict that the CSV file has of more seeds stays as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import archive
import kept
from marks import Page

from cambench.recipes.claims import papers
from cambench.report.claims.records import as_its_recipe, moved
from cambench.report.claims.trained import accuracy_on
from cambench.report.claims.verdicts import Judgement
from cambench.report.formats import claims as formats
from cambench.report.tables.cost import costs
from cambench.report.tables.select import matches, variant_of
from cambench.report.tables.summary import summary
from cambench.stages.reporting.claims import evidence, judgements
from cambench.stages.reporting.report import render
from cambench.stages.workplace import Place
from cambench.store.records import Record, Value
from cambench.store.runs import Run, read_runs
from cambench.vocabulary import number_of

FOLDER = Path(__file__).parent
INDEX = "| paper | claims | measured on |\n| --- | --- | --- |\n"


def compared(own: Sequence[Judgement], records: Sequence[Record]) -> list[Record]:
    """The records that claims compare, each with the values that they look at, and the accuracy of the same networks."""
    values: dict[Path, dict[str, Value]] = {}
    sides = [(j.claim, side, j.where) for j in own if j.where for part in j.claim.parts for side in j.claim.sides(part)]
    for select in {str(select): select for select in (moved(side, claim, where) for claim, side, where in sides)}.values():
        for record in records:
            if matches(select, record) and as_its_recipe(record, select):
                variant = variant_of(select, record)
                values.setdefault(record.path, {})[variant] = record.values[variant]
    networks = {(r.run, r.dataset, r.split, r.checkpoint) for r in records if r.path in values}
    for record in records:
        if (
            record.metric == accuracy_on(record.dataset)
            and (record.run, record.dataset, record.split, record.checkpoint) in networks
        ):
            values[record.path] = dict(record.values)
    return [replace(record, values=values[record.path]) for record in records if record.path in values]


def took(records: Sequence[Record], runs: Sequence[Run]) -> str:
    """How many trainings and measurements there are, what they took, on which devices."""
    devices = sorted({record.device for record in records if record.device})
    versions = sorted({f"torch {record.versions['torch']}" for record in records if "torch" in record.versions})
    parts = [(len(runs), "training", sum(run.info.seconds or 0 for run in runs))]
    parts += [(len(records), "measurement", sum(record.seconds for record in records))]
    words = [f"{number_of(n, what)} in {seconds / 3600:.1f} hours" for n, what, seconds in parts if n]
    return f"{', '.join(words)}; {', '.join([*devices, *versions])}."


def page(paper: str, own: Sequence[Judgement], records: Sequence[Record], runs: Sequence[Run]) -> str:
    """What stands between the marks of a paper's page; the CSV file of the values is written beside it."""
    claims = formats.markdown(own).partition("\n\n")[2]
    text = f"## Claims\n\n{formats.counted(own)}. Every comparison: [{paper}-claims.csv]({paper}-claims.csv).\n\n{claims}"
    if not records:
        _, values, before = at(f"{paper}.md").between.partition("\n## Values\n")
        return text + values + before
    tables = summary(records)
    (FOLDER / f"{paper}.csv").write_text(render(tables, "csv"), encoding="utf-8")
    files = f"Unrounded: [{paper}.csv]({paper}.csv); the records: [{paper}.tar.xz](records/{paper}.tar.xz)."
    text += f"\n## Values\n\n{took(records, runs)} {files}\n\n{render(tables, 'markdown')}"
    return f"{text}\n## Cost\n\n{render(costs(runs), 'markdown')}" if runs else text


def at(name: str) -> Page:
    """A page of this folder."""
    return Page(FOLDER / name, "pages.py")


def write(results: Path | None, names: Sequence[str]) -> None:
    """The pages of the papers, of all where none is named, and their lines of the index."""
    lines = {line.partition("]")[0]: line for line in at("README.md").between.splitlines() if line.startswith("| [")}
    for paper in names or papers():
        with TemporaryDirectory() as folder:
            root, packed = Path(folder), FOLDER / "records" / f"{paper}.tar.xz"
            archive.unpack(packed, root)
            if results is not None:
                archive.add(results, root)
            own = kept.joined(FOLDER / f"{paper}-claims.csv", judgements([paper], Place(results=root)))
            records = compared(own, evidence(root).records)
            behind = {record.run for record in records}
            runs = [run for run in read_runs(root) if run.finished and run.name in behind]
            if records:
                archive.pack(packed, root, records, runs)
            runs = [run for run in runs if run.info.kind == "trained"]
            at(f"{paper}.md").rewrite(page(paper, own, records, runs))
        places = ", ".join(dict.fromkeys(j.where.dataset for j in own if j.where))
        lines[f"| [{paper}"] = f"| [{paper}]({paper}.md) | {formats.counted(own).partition(': ')[2]} | {places or '—'} |"
    at("README.md").rewrite(INDEX + "\n".join(lines[start] for start in sorted(lines)))


if __name__ == "__main__":
    write(Path(sys.argv[1]) if sys.argv[1:] else None, sys.argv[2:])
