"""The bars of Figure 3: their numbers, what is measured alone, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.patches import Rectangle
from sample_records import fill
from sample_table import SAMPLE

from cambench.recipes.stand_in import stand_in
from cambench.recipes.tables import load_table
from cambench.report.figures import bars
from cambench.report.tables.model import Table
from cambench.report.tables.paper import paper_table
from cambench.vocabulary import UsageError


def table(measured: bool = True, **facts: Any) -> Table:
    """The figure's table, all but one cell of it measured."""
    recipe = load_table("weighted-contrast/figure3")
    return paper_table(recipe, fill(recipe, {}, **facts) if measured else [], {})


def test_the_bars_have_the_tables_numbers() -> None:
    made = table()
    found = bars.bars(made)
    assert len(found) == 36 * 18
    for bar, cell in zip(found, (cell for row in made.rows for cell in row.cells), strict=True):
        assert bar.measured == (cell.measured.mean if cell.measured else None)
        assert (bar.low, bar.high) == (cell.measured.interval if cell.measured else (None, None))
    assert (found[0].network, found[0].target, found[0].size, found[0].steps, found[0].quantity) == (
        "vgg16", "original", "eps = 0.001", "n = 1", "Δ accuracy",
    )  # fmt: skip
    assert sum(bar.measured is None for bar in found) == 1


def test_a_panel_a_network_and_quantity_with_a_bar_a_target_size_and_number_of_steps() -> None:
    figure = bars.gradient_sign(table())
    assert len(figure.axes) == 9 * 3
    assert [axes.get_title() for axes in figure.axes[:4]] == ["Δ accuracy", "Δ p_t", "Δ y_t", ""]
    assert [axes.get_ylabel() for axes in figure.axes[::3]][:2] == ["vgg16", "alexnet"]
    drawn = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert len(drawn) == 4 * 3 * 2 and sum(bool(bar.get_fill()) for bar in drawn) == 12
    places = sorted(bar.get_x() for bar in drawn if bar.get_fill())
    assert len({round(x, 6) for x in places}) == 12, "no bar hides another of its size"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["original", "mean", "max", "weighted"]
    assert "Bars: eps = 0.001; outlines: eps = 0.003." in figure.texts[-1].get_text().replace("\n", " ")


def test_a_stand_in_has_one_network_and_says_what_it_is() -> None:
    recipe = stand_in(load_table("weighted-contrast/figure3"), "synthbirds", split="test", arch="resnet8")
    synthetic = {"comparable": False, "partial": ("synthetic images (synthbirds)",)}
    figure = bars.gradient_sign(paper_table(recipe, fill(recipe, {}, **synthetic), {}))
    assert len(figure.axes) == 3 and figure.axes[0].get_ylabel() == "resnet8"
    assert "synthbirds stands in for the paper's data" in figure.texts[-1].get_text().replace("\n", " ")


def test_nothing_measured_and_another_table_are_refused() -> None:
    with pytest.raises(UsageError, match="nothing of weighted-contrast/figure3 is measured"):
        bars.gradient_sign(table(measured=False))
    with pytest.raises(UsageError, match="expected a table of networks × targets .* got demo/1"):
        bars.gradient_sign(SAMPLE)
