"""Tables that are too wide or too tall for a printed page go on beneath, or on the next; nothing gets lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sample_table import SAMPLE

from cambench.report.formats import pages
from cambench.report.formats.latex import latex
from cambench.report.tables.model import Cell, Column, Measured, Row, Table


def table(rows: int, columns: int, heads: tuple[str, ...] = (), wrap: int = 0) -> Table:
    """Cells with a long interval, marked by row and column; five fit side by side. `heads`: an upper level of headings."""
    value = Measured(1.0, (1.0,), (0,), (9,), interval=(-1000.0, 1000.0))
    labels = [((heads[c],) if heads else ()) + (f"c{c}",) for c in range(columns)]
    return Table(
        "demo/2", "Demo", ("Row",), tuple(Column(label) for label in labels),
        tuple(Row((f"r{r}",), tuple(Cell(3, value, marks=(r, c)) for c in range(columns))) for r in range(rows)), wrap=wrap,
    )  # fmt: skip


def names(block: Table) -> list[str]:
    """The lowest headings of a block."""
    return [column.label[-1] for column in block.columns]


def test_a_small_table_is_one_block_on_one_page() -> None:
    small = table(5, 4)
    (page,) = pages.pages(small, ["a note"], 24, 12)
    assert page.blocks == [small] and page.notes == ["a note"]


@pytest.mark.parametrize(("columns", "sizes"), [(5, [5]), (8, [4, 4]), (9, [5, 4]), (13, [5, 5, 3])])
def test_columns_are_cut_into_about_equal_parts(columns: int, sizes: list[int]) -> None:
    found = pages.blocks(table(3, columns))
    assert [len(block.columns) for block in found] == sizes
    assert [name for block in found for name in names(block)] == [f"c{c}" for c in range(columns)]
    assert [cell for block in found for cell in block.rows[1].cells] == list(table(3, columns).rows[1].cells)


def test_a_cut_falls_between_groups_of_columns() -> None:
    found = pages.blocks(table(3, 9, heads=("a", "b", "b", "b", "c", "c", "c", "c", "c")))
    assert [names(block) for block in found] == [["c0", "c1", "c2", "c3"], ["c4", "c5", "c6", "c7", "c8"]]


def test_own_blocks_are_cut_alike_because_they_share_a_grid() -> None:
    wide = table(3, 12, wrap=6)
    narrow = [replace(row, cells=(*row.cells[:6], *[Cell(3)] * 6)) for row in wide.rows]
    assert [len(b.columns) for b in pages.blocks(replace(wide, rows=tuple(narrow)))] == [3, 3, 3, 3]


def test_rows_that_fill_more_than_a_page_are_split_evenly() -> None:
    found = pages.pages(table(100, 3), [f"note {i}" for i in range(80)], 24, 12)
    rows = [row.label[0] for page in found for block in page.blocks for row in block.rows]
    assert rows == [f"r{r}" for r in range(100)]
    counts = [len(block.rows) for page in found for block in page.blocks]
    assert len(counts) == 3 and max(counts) - min(counts) <= 1
    assert [note for page in found for note in page.notes] == [f"note {i}" for i in range(80)]
    assert all(page.left >= 0 for page in found) and all(page.blocks or page.notes for page in found)


def test_further_pages_have_the_same_number_and_the_banner() -> None:
    text = latex([replace(table(100, 3), banner=("Not comparable.",), notes=("Said once.",))])
    assert text.count(r"\begin{table}") == text.count("Not comparable.") == 3
    assert text.count(r"\addtocounter{table}{-1}") == text.count("(continued)") == 2
    assert text.count(r"\label{") == text.count("Said once.") == 1
    assert latex([SAMPLE]).count(r"\begin{table}") == 1
