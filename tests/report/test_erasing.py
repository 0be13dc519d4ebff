"""The curves of CALM's Figure 5: their numbers, their ends, what is measured alone, what is refused."""

from __future__ import annotations

from dataclasses import asdict
from itertools import combinations
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from sample_records import fill
from sample_table import SAMPLE

from cambench.recipes.published import load_published
from cambench.recipes.stand_in import stand_in
from cambench.recipes.tables import load_table
from cambench.report.figures import erasing
from cambench.report.tables.model import Table
from cambench.report.tables.paper import paper_table
from cambench.vocabulary import UsageError

PUBLISHED = load_published("calm")
KS = [0, 10, 30, 50, 70, 90, 100]


def table(measured: bool = True, **facts: Any) -> Table:
    """The figure's table, all but one cell of it measured."""
    recipe = load_table("calm/figure5")
    return paper_table(recipe, fill(recipe, PUBLISHED, **facts) if measured else [], PUBLISHED)


def test_the_points_are_the_tables_cells_and_two_ends() -> None:
    made = table()
    found = erasing.points(made)
    assert len(found) == 3 * 7 * len(KS)
    at = {(p.dataset, p.method, p.k): p for p in found}
    for row in made.rows:
        for column, cell in zip(made.columns, row.cells, strict=True):
            p = at[column.label[0], row.label[0], float(column.label[1].split()[0])]
            assert p.measured == (cell.measured.mean if cell.measured else None)
            assert (p.low, p.high) == (cell.measured.interval if cell.measured else (None, None))
            assert p.published == (cell.published.value if cell.published else None)
    own = [p for p in found if (p.dataset, p.method) == ("CUB", "CALM_EM")]
    assert [p.k for p in own] == KS
    for p in (own[0], own[-1]):
        assert (p.measured, p.low, p.high, p.published) == (1, 1, 1, 1)
    assert asdict(found[1]) == {
        "dataset": "CUB", "method": "Vanilla Gradient", "k": 10.0, "measured": found[1].measured,
        "low": found[1].low, "high": found[1].high, "published": found[1].published,
    }  # fmt: skip


def test_a_panel_a_data_set_and_a_line_a_method() -> None:
    figure = erasing.remove_and_classify(table())
    assert [axes.get_title() for axes in figure.axes] == ["CUB", "OpenImages", "ImageNet"]
    made = {(p.dataset, p.method, p.k): p for p in erasing.points(table())}
    for axes in figure.axes:
        lines = {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
        assert len(lines) == 2 * 7
        line, theirs = lines["CALM_EM, measured"], lines["CALM_EM, published"]
        wanted = [made[axes.get_title(), "CALM_EM", k].published for k in KS]
        assert theirs.get_xdata().tolist() == KS and theirs.get_ydata().tolist() == wanted
        for k, r in zip(line.get_xdata(), line.get_ydata(), strict=True):
            assert r == made[axes.get_title(), "CALM_EM", k].measured
        assert line.get_color() == theirs.get_color() and line.get_linestyle() == "-" and theirs.get_linestyle() == ":"
        assert len({line.get_color() for line in lines.values()}) == 7
        assert [t.get_text() for t in axes.get_xticklabels()] == [str(k) for k in KS]
    legend = [t.get_text() for t in figure.legends[0].get_texts()]
    assert legend == [row.label[0] for row in table().rows]
    foot = figure.texts[-1].get_text().replace("\n", " ")
    assert "R = 1 at k = 0 and 100 by construction. Solid: measured. Dotted: published." in foot
    assert "The paper prints no number: the published values are approximate" in foot


def test_a_stand_in_is_one_panel_without_published_numbers_and_says_what_it_is() -> None:
    recipe = stand_in(load_table("calm/figure5"), "synthbirds", split="test", arch="resnet8")
    synthetic = {"comparable": False, "partial": ("synthetic images (synthbirds)",)}
    made = paper_table(recipe, fill(recipe, {}, **synthetic), {})
    figure = erasing.remove_and_classify(made)
    assert [axes.get_title() for axes in figure.axes] == ["synthbirds"]
    assert not any("published" in line.get_label() for line in figure.axes[0].lines)
    foot = figure.texts[-1].get_text().replace("\n", " ")
    assert "synthbirds stands in for the paper's data" in foot and "Dotted" not in foot


def test_an_unmeasured_table_shows_the_published_curves_alone() -> None:
    figure = erasing.remove_and_classify(table(measured=False))
    named = [line.get_label() for line in figure.axes[0].lines if not line.get_label().startswith("_")]
    assert len(named) == 7 and all(name.endswith(", published") for name in named)
    ends = [p for p in erasing.points(table(measured=False)) if p.k in erasing.ENDS]
    assert all(p.measured is None and p.published == 1 for p in ends)


def test_what_is_not_comparable_has_no_published_number_beside_it() -> None:
    found = erasing.points(table(comparable=False))
    assert all(p.published is None for p in found if p.measured is not None and p.k not in erasing.ENDS)


@pytest.mark.parametrize("made", [table(), table(measured=False)])
def test_no_text_is_cut_and_none_overlaps(made: Table) -> None:
    figure = erasing.remove_and_classify(made)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [*figure.texts, *figure.legends[0].get_texts()]
    for axes in figure.axes:
        texts += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels()]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in texts if t.get_text()]
    for text, box in boxes:
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 and box.y1 <= figure.bbox.y1, text
    for (text, a), (other, b) in combinations(boxes, 2):
        assert not a.padded(-1).overlaps(b.padded(-1)), (text, other)


def test_nothing_to_draw_and_another_table_are_refused() -> None:
    recipe = stand_in(load_table("calm/figure5"), "synthbirds", split="test", arch="resnet8")
    with pytest.raises(UsageError, match="nothing of calm/figure5 is measured or published"):
        erasing.remove_and_classify(paper_table(recipe, [], {}))
    with pytest.raises(UsageError, match="expected a table of methods over data sets × percentages.* got demo/1"):
        erasing.points(SAMPLE)
