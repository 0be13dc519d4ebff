"""A table's metrics get what they need, and its cells are printed as their metrics are; `stages/test_names.py`: names."""

from __future__ import annotations

import pytest

from cambench import metrics
from cambench.recipes.tables import Select, cells, load_table, table_files


def selects(table: str) -> list[Select]:
    """Every selection of a table for which there is something to run."""
    return [s for row in cells(load_table(table)) for cell in row if not cell.published_only for s in cell.alternatives]


@pytest.mark.parametrize("table", list(table_files()))
def test_every_metric_gets_what_it_needs(table: str) -> None:
    for select in selects(table):
        metric = metrics.find_metric(select.metric or "")
        assert metric.name == select.metric, "records have canonical names"
        assert (select.explainer is not None) == metric.looks


@pytest.mark.parametrize("table", list(table_files()))
def test_cells_are_printed_as_their_metrics_are(table: str) -> None:
    for cell in (cell for row in cells(load_table(table)) for cell in row if cell.class_set is None):
        metric = metrics.find_metric(cell.alternatives[0].metric or "")
        unit = metric.unit_of(cell.alternatives[0].variant or "")
        assert cell.unit == unit or (cell.unit == "" and table.startswith("weighted-contrast")), "said in the caption"
        assert cell.direction == metric.direction(cell.alternatives[0].variant or "")
