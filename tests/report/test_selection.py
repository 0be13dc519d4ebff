"""Some metrics and explainers of what was measured: rows, columns and footnotes of these alone; a headline; a caption."""

from __future__ import annotations

from typing import Any

import pytest

from cambench.metrics import find_metric
from cambench.recipes.load import load
from cambench.recipes.published import load_published
from cambench.recipes.tables import load_table
from cambench.report.formats.latex import latex
from cambench.report.formats.markdown import markdown
from cambench.report.tables.paper import paper_table
from cambench.report.tables.select import groups, other_constants
from cambench.report.tables.summary import summary
from cambench.stages.reporting.selection import Selection, captioned
from cambench.vocabulary import UsageError


@pytest.fixture
def records(record: Any) -> list[Any]:
    """Two methods under two explainers, top1 without any; one record has a footnote of its own, and one run no maps."""
    made = [record(m, 0, "top1", 60.0) for m in ("ce", "cgc", "supcon")]
    for method in ("ce", "cgc"):
        made.append(record(method, 0, "ch", {"official": 40.0, "correct": 50.0}, explainer="grad-cam"))
        made.append(record(method, 0, "iauc", 0.5, explainer="grad-cam"))
    return [*made, record("ce", 0, "iauc", 0.6, explainer="cam", deviations=("a departure of cam's record",))]


def labels(table: Any) -> list[tuple[str, ...]]:
    """The rows, as they are labelled."""
    return [row.label for row in table.rows]


def test_only_columns_of_the_metrics_and_footnotes_of_the_rows_that_are_shown(records: list[Any]) -> None:
    (whole,) = summary(Selection().records(records))
    assert "a departure of cam's record." in (*whole.footnotes, *whole.notes)
    (table,) = summary(Selection(["insertion"], ["grad_cam"]).records(records))
    assert [c.label for c in table.columns] == [("iauc",)]
    assert labels(table) == [("ce", "grad-cam", "logit"), ("cgc", "grad-cam", "logit")]
    assert "departure" not in str((*table.footnotes, *table.notes))


def test_a_metric_without_maps_goes_with_the_runs_that_the_explainer_explained(records: list[Any]) -> None:
    (table,) = summary(Selection((), ["grad-cam"]).records(records))
    assert labels(table) == [("ce", "grad-cam", "logit"), ("cgc", "grad-cam", "logit")]
    assert [c.label[0] for c in table.columns] == ["top1", "ch", "ch", "iauc"]


def test_what_nothing_shows_is_said(records: list[Any]) -> None:
    with pytest.raises(UsageError, match="nothing to report of metric dauc, explainer cam or random"):
        Selection(["dauc"], ["cam", "random"]).records(records)
    with pytest.raises(UsageError, match=r"cgc/6: expected a cell of metric iauc, found none"):
        Selection(["iauc"]).recipes([load_table("cgc/6")])
    with pytest.raises(UsageError, match="unknown metric 'iaucc'"):
        Selection(["iaucc"]).recipes([load_table("cgc/6")])


def test_a_papers_table_shrinks_to_the_rows_and_columns_of_the_metric() -> None:
    whole = load_table("cgc/1")
    (part,) = Selection(["ch"]).recipes([whole])
    metrics = {(column.label[-1], "ch" in column.label[-1].lower()) for column in part.columns}
    assert metrics and all(is_ch for _, is_ch in metrics) and len(part.columns) < len(whole.columns)
    assert [row.label for row in part.rows] == [row.label for row in whole.rows]
    table, full = (paper_table(recipe, [], load_published("cgc")) for recipe in (part, whole))
    kept = [c for c, column in enumerate(full.columns) if column.label in {column.label for column in table.columns}]
    assert [[row.cells[c].published for c in kept] for row in full.rows] == [
        [c.published for c in r.cells] for r in table.rows
    ]
    assert Selection().recipes([whole]) == [whole] and Selection(["ch", "ch"]).recipes([whole]) == [part]


def test_a_brief_summary_shows_the_headline_of_a_metric_with_many_columns(record: Any) -> None:
    metric = find_metric("relative-probability")
    values = dict.fromkeys(metric.variants, 0.5)
    made = [record("ce", 0, "relative-probability", values, explainer="grad-cam"), record("ce", 0, "top1", 60.0)]
    (whole,), (brief,) = summary(made), summary(made, brief=True)
    assert len(whole.columns) == 1 + len(metric.variants) and not any("shows all" in note for note in whole.notes)
    assert [c.label for c in brief.columns] == [("top1", ""), ("relative-probability", metric.printing.headline)]
    shows_all = "`cambench report --metric relative-probability` shows all."
    assert f"relative-probability: one of its {len(metric.variants)} columns; {shows_all}" in brief.notes


def test_a_caption_of_ones_own_stands_alone(records: list[Any]) -> None:
    made = summary(records)
    assert r"\caption{Where the heat lies}" in latex(captioned(made, "Where the heat lies"))
    text = markdown(captioned(made, "Where the heat lies"))
    assert text.startswith(f"### {made[0].id}\n") and "- Where the heat lies\n" in text
    with pytest.raises(UsageError, match=r"--caption: expected one table, got 2 \(cub, cub\)"):
        captioned([*made, *made], "x")


def test_of_several_settings_the_methods_own_is_shown_first(record: Any) -> None:
    """Trained for one table with boxes as masks, for another as its recipe has it; neither departs from its table."""
    own = load("cfce", "synthbirds", "resnet8").model_dump(mode="json")
    boxes = {**own, "data": {**own["data"], "masks": "boxes"}}
    facts = {"dataset": "synthbirds", "arch": "resnet8"}
    records = [record("cfce", 0, "top1", 90.0, job={"recipe": recipe}, run=name, **facts) for name, recipe in
               (("a", boxes), ("b", own))]  # fmt: skip
    assert [group[0].run for group in groups(records)] == ["b", "a"]
    assert other_constants(records[0], {}) == ["data.masks"] and not other_constants(records[0], {"data.masks": "boxes"})
