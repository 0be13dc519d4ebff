"""A table for the terminal: as many columns side by side as the width holds, the others beneath; nothing is cut."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from cambench.report.formats.grid import GAP, fitted, grid
from cambench.report.formats.text import footnotes, superscript
from cambench.report.tables.model import Cell, Column, Table, group_starts, shown_label

UNIT = re.compile(r" (?=\([^()]*\) ?[↑↓]?$)")


def terminal(table: Table, width: int = 100) -> Group:
    """The table as something that a rich console prints."""
    parts: list[RichTable | Text] = [Text(f"{table.id}  {table.title}", style="bold")]
    parts += [Text(f"! {sentence}", style="bold yellow") for sentence in table.banner]
    parts += [block(table, columns, width) for columns in chunks(table, width)]
    parts += [Text(sentence, style="dim") for sentence in (*table.notes, *footnotes(table))]
    return Group(*parts, Text(""))


def chunks(table: Table, width: int) -> Iterator[list[int]]:
    """Column numbers that fit side by side, in order, beside row labels that have half the width."""
    labels = fitted([*zip(table.row_headers, *row_labels(table), strict=True)], width // 2 - GAP)
    room = width - sum(labels) - GAP * len(labels)
    columns, used = list[int](), -GAP
    for c, column in enumerate(table.columns):
        (need,) = fitted([[heading(column), *(drawn(row.cells[c]).plain for row in table.rows)]], room)
        if columns and (used + GAP + need > room or (table.wrap and c % table.wrap == 0)):
            yield columns
            columns, used = [], -GAP
        columns.append(c)
        used += GAP + need
    yield columns


def block(table: Table, columns: Sequence[int], width: int) -> RichTable:
    """The row labels and some of the columns."""
    head = [*table.row_headers, *(heading(table.columns[c]) for c in columns)]
    rows: list[list[str | Text]] = [
        [*label, *(drawn(row.cells[c]) for c in columns)] for label, row in zip(row_labels(table), table.rows, strict=True)
    ]
    rich = grid(head, rows, width, right=range(len(table.row_headers), len(head)), ruled=True)
    for above, starts in zip(rich.rows, group_starts(table)[1:], strict=False):
        above.end_section = starts
    return rich


def heading(column: Column) -> str:
    """The levels of a column's label, its unit and arrow, one below another."""
    levels = [text for text in column.heading if text]
    return "\n".join([*levels[:-1], UNIT.sub("\n", levels[-1]) + superscript(column.marks)])


def row_labels(table: Table) -> list[tuple[str, ...]]:
    """For each row the levels of its label."""
    labels = [shown_label(table, r) for r in range(len(table.rows))]
    return [(*upper, last + superscript(row.marks)) for (*upper, last), row in zip(labels, table.rows, strict=True)]


def drawn(cell: Cell) -> Text:
    """The measured number, and below it the published one; an unmeasured cell takes one line."""
    published = cell.published_text.replace(" ± ", "±")
    text = Text(cell.measured_text + superscript(cell.marks), style="" if cell.measured else "dim")
    if not published:
        return text
    return text.append(f"{chr(10) if cell.measured else ' '}{published}", style="dim")
