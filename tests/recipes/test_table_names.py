"""Every name that a table recipe uses is in its catalogue, and its cells are printed as their metrics are."""

from __future__ import annotations

import pytest

from cambench import data, metrics
from cambench.explainers import find_explainer
from cambench.recipes.load import METHODS
from cambench.recipes.tables import Select, cells, load_table, table_files


def selects(table: str) -> list[Select]:
    """Every selection of a table for which there is something to run."""
    return [s for row in cells(load_table(table)) for cell in row if not cell.published_only for s in cell.alternatives]


AWAITED = {"supcon-ori", "supcon", "excon", "exconb"}
"""Names that tables may use before their readers and recipes are here."""


@pytest.mark.parametrize("table", list(table_files()))
def test_every_name_is_in_its_catalogue(table: str) -> None:
    for select in selects(table):
        assert select.dataset in {*data.INDEX, *AWAITED}
        assert select.dataset in AWAITED or select.split in (*data.INDEX[select.dataset].splits, "episode")
        assert select.method == "pretrained" or select.method in {*METHODS, *AWAITED}
        assert select.explainer is None or find_explainer(select.explainer).name == select.explainer


@pytest.mark.parametrize("table", list(table_files()))
def test_every_metric_gets_what_it_needs(table: str) -> None:
    for select in selects(table):
        metric = metrics.find_metric(select.metric or "")
        assert metric.name == select.metric, "records have canonical names"
        assert (select.variant or "") in metric.variants
        assert (select.explainer is not None) == metric.looks
        assert metric.fixed in ("", select.explainer)


@pytest.mark.parametrize("table", list(table_files()))
def test_cells_are_printed_as_their_metrics_are(table: str) -> None:
    for cell in (cell for row in cells(load_table(table)) for cell in row if cell.class_set is None):
        metric = metrics.find_metric(cell.alternatives[0].metric or "")
        unit = metric.unit_of(cell.alternatives[0].variant or "")
        assert cell.unit == unit or (cell.unit == "" and table.startswith("weighted-contrast")), "said in the caption"
        assert cell.direction == metric.direction(cell.alternatives[0].variant or "")
