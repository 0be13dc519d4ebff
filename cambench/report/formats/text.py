"""Small pieces of text that several formats share."""

from __future__ import annotations

from collections.abc import Sequence

from cambench.report.tables.model import Table

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def superscript(marks: Sequence[int]) -> str:
    """Footnote marks as superscript digits: `¹`, `¹,²`."""
    return ",".join(str(mark).translate(SUPERSCRIPTS) for mark in marks)


def footnotes(table: Table) -> list[str]:
    """The numbered footnotes as plain lines."""
    return [f"{superscript([i])} {text}" for i, text in enumerate(table.footnotes, 1)]


def about(table: Table, row: int, column: int) -> list[str]:
    """Every footnote that holds for one cell: its row's, its column's and its own."""
    marks = (*table.rows[row].marks, *table.columns[column].marks, *table.rows[row].cells[column].marks)
    return [table.footnotes[mark - 1] for mark in dict.fromkeys(marks)]
