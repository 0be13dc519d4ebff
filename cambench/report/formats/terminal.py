"""A table for the terminal: as many columns side by side as the width holds, the others beneath; nothing is cut."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from cambench.report.formats.text import footnotes, superscript
from cambench.report.tables.model import Cell, Column, Table, group_starts, shown_label

GAP = 2
UNIT = re.compile(r" (?=\([^()]*\) ?[↑↓]?$)")


def terminal(table: Table, width: int = 100) -> Group:
    """The table as something that a rich console prints."""
    parts: list[RichTable | Text] = [Text(f"{table.id}  {table.title}", style="bold")]
    parts += [Text(f"! {sentence}", style="bold yellow") for sentence in table.banner]
    parts += [grid(table, columns, width) for columns in chunks(table, width)]
    parts += [Text(sentence, style="dim") for sentence in (*table.notes, *footnotes(table))]
    return Group(*parts, Text(""))


def label_widths(table: Table, width: int) -> list[int]:
    """Width of each level of the row labels: as wide as its texts, all of them at most half the table."""
    levels = zip(*row_labels(table), strict=True)
    widths = [widest([name, *(t.plain for t in texts)]) for name, texts in zip(table.row_headers, levels, strict=True)]
    spare = max(width // 2 - sum(widths[:-1]) - GAP * len(widths), len(table.row_headers[-1]))
    return [*widths[:-1], min(widths[-1], spare)]


def chunks(table: Table, width: int) -> Iterator[list[int]]:
    """Column numbers that fit side by side, in order."""
    room = width - sum(label + GAP for label in label_widths(table, width)) + GAP
    columns: list[int] = []
    used = 0
    for c, column in enumerate(table.columns):
        need = GAP + widest([heading(column), *(drawn(row.cells[c]).plain for row in table.rows)])
        if columns and (used + need > room or (table.wrap and c % table.wrap == 0)):
            yield columns
            columns, used = [], 0
        columns.append(c)
        used += need
    yield columns


def widest(texts: Sequence[str]) -> int:
    """Width of the widest line."""
    return max(cell_len(line) for text in texts for line in text.splitlines() or [""])


def grid(table: Table, columns: Sequence[int], width: int) -> RichTable:
    """The row labels and the columns columns; the box adds one column of space to the padding."""
    rich = RichTable(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold", padding=(0, GAP - 1, 0, 0))
    headings = [heading(table.columns[c]) for c in columns]
    lines = max(text.count("\n") for text in headings)
    for name, size in zip(table.row_headers, label_widths(table, width), strict=True):
        rich.add_column(Text("\n" * lines + name), width=size, overflow="fold")
    for text in headings:
        rich.add_column(Text("\n" * (lines - text.count("\n")) + text), justify="right", overflow="fold")
    starts = [*group_starts(table)[1:], False]
    for r, label in enumerate(row_labels(table)):
        rich.add_row(*label, *(drawn(table.rows[r].cells[c]) for c in columns), end_section=starts[r])
    return rich


def heading(column: Column) -> str:
    """The levels of a column's label, its unit and arrow, one below another."""
    levels = [text for text in column.heading if text]
    return "\n".join([*levels[:-1], UNIT.sub("\n", levels[-1]) + superscript(column.marks)])


def row_labels(table: Table) -> list[list[Text]]:
    """For each row the levels of its label."""
    labels = [shown_label(table, r) for r in range(len(table.rows))]
    marks = [superscript(row.marks) for row in table.rows]
    return [[*(Text(text) for text in upper), Text(last + mark)] for (*upper, last), mark in zip(labels, marks, strict=True)]


def drawn(cell: Cell) -> Text:
    """The measured number, and below it the published one; an unmeasured cell takes one line."""
    published = cell.published_text.replace(" ± ", "±")
    text = Text(cell.measured_text + superscript(cell.marks), style="" if cell.measured else "dim")
    if not published:
        return text
    return text.append(f"{chr(10) if cell.measured else ' '}{published}", style="dim")
