"""Writes the ranking of explainers on photographs: `python results/measured/photographs.py RESULTS`.

RESULTS: a root of `cambench rank … --preset …`. Between the marks of photographs.md stand the ranks, the agreement of the
metrics and the cost; unrounded, with every pair of explainers and the values that were ranked, in
photographs-{ranks,metrics,cost,pairs,values}.csv. Data sets of which the root holds nothing stay as they are, and what is
written by hand.
"""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from marks import Page

from cambench.metrics import find_metric
from cambench.report import Table
from cambench.report.formats.frame import tidy
from cambench.report.ranking import tables
from cambench.report.ranking.ranking import Ranking
from cambench.report.ranking.tables import bare
from cambench.report.tables.model import Column, Row
from cambench.report.tables.summary import summary
from cambench.stages.reporting.rank import Wanted, at_hand, rankings
from cambench.stages.reporting.report import render
from cambench.stages.workplace import Place

FOLDER = Path(__file__).parent
PAGE = Page(FOLDER / "photographs.md", "photographs.py")
COLUMNS = ["table", "row", "column", "unit", "measured", "low", "high", "n"]
"""Of the CSV files; the sentences stand on the page."""
COST = "Without the heatmaps; the median over the explainers."


def of_cost(ranking: Ranking) -> Table:
    """A row a metric: its milliseconds an image and its forward passes, one of them for a heatmap."""
    seconds: dict[str, list[float]] = {}
    passes: dict[str, int] = {}
    for _, record in ranking.records:
        images = max(value.n for value in record.values.values())
        seconds.setdefault(record.metric, []).append(record.seconds / images)
        passes[record.metric] = find_metric(record.metric).passes_at(
            (record.job.get("maps") or record.job["input"])["view"]["size"]
        )
    rows = [Row((name,), (bare(1000 * statistics.median(own), 0), bare(passes[name], 0))) for name, own in seconds.items()]
    columns = (Column(("time",), "ms", "down"), Column(("passes",), "", "down"))
    return Table(
        f"cost {ranking.where}", "of a metric, an image and explainer", ("Metric",), columns, tuple(rows), notes=(COST,)
    )


def written(made: Sequence[Ranking]) -> dict[str, list[Table]]:
    """What each CSV file holds, a table a data set."""
    every = [tables.tables(ranking) for ranking in made]
    ranks, pairs, metrics = ([own[place] for own in every] for place in range(3))
    values = summary([record for ranking in made for _, record in ranking.records])
    costs = [of_cost(ranking) for ranking in made]
    return {"ranks": ranks, "metrics": metrics, "cost": costs, "pairs": pairs, "values": values}


def joined(new: dict[str, str], old: dict[str, str]) -> str:
    """The new sections and the old ones of other tables: ranks, agreement of metrics, cost, each by its data set."""

    def place(name: str) -> tuple[bool, bool, str]:
        return name.startswith("cost "), name.endswith(", metrics"), name

    every = {**old, **new}
    return "\n".join(every[name].strip("\n") + "\n" for name in sorted(every, key=place))


def sections(text: str) -> dict[str, str]:
    """Table -> its section of a page, heading and all: `rank cub-50 test`, `cost cub-50 test`."""
    parts = re.split(r"^(?=### )", text, flags=re.MULTILINE)[1:]
    return {part[4:].partition(": ")[0]: part for part in parts}


def write(results: Path) -> None:
    """The page and its files; the ranking of all data sets together is none of one network and is left out."""
    every = rankings(*at_hand(Wanted(), Place(results=results)))
    files = written([ranking for ranking in every if " and " not in ranking.where])
    for name, shown in files.items():
        path, frame = FOLDER / f"photographs-{name}.csv", tidy(shown)[COLUMNS]
        old = pd.read_csv(path)
        frame = pd.concat([old[~old["table"].isin(frame["table"])], frame]).sort_values("table", kind="stable")
        path.write_text(frame.to_csv(index=False, lineterminator="\n", float_format="%.10g"), encoding="utf-8")
    made = sections("\n".join(render(files[name], "markdown") for name in ("ranks", "metrics", "cost")))
    PAGE.rewrite(joined(made, sections(PAGE.between)))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
