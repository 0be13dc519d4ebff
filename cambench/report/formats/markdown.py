"""Tables as GitHub Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from cambench.report.formats.text import footnotes, superscript
from cambench.report.tables.model import Cell, Table

SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~$])")


def escape(text: str) -> str:
    """The text with every character that Markdown or HTML reads otherwise escaped, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split())).replace("&", "&amp;")


def markdown(tables: Iterable[Table]) -> str:
    """All tables, one under another."""
    return "\n".join(one(table) for table in tables)


def one(table: Table) -> str:
    """One table: heading, banner, a grid a block, notes."""
    lines = [f"### {escape(': '.join(filter(None, (table.id, table.title))))}", ""]
    for sentence in table.banner:
        lines += [f"> **{escape(sentence)}**", ""]
    for block in table.blocks():
        lines += [*grid(block), ""]
    below = [*([table.caption] if table.caption else []), *table.notes, *footnotes(table)]
    return "\n".join([*lines, *(f"- {escape(text)}" for text in below), ""])


def grid(table: Table) -> list[str]:
    """Header and rows."""
    heads = [*table.row_headers, *(" ".join(filter(None, c.heading)) + superscript(c.marks) for c in table.columns)]
    lines = [bar(heads), "|" + " --- |" * len(table.row_headers) + " ---: |" * len(table.columns)]
    for row in table.rows:
        *upper, last = row.heading
        lines.append(bar([*upper, last + superscript(row.marks), *(drawn(cell) for cell in row.cells)]))
    return lines


def listing(rows: Sequence[Mapping[str, str]], above: Sequence[str], below: Sequence[str]) -> str:
    """Rows of texts between sentences."""
    first, last = ([f"- {escape(text)}" for text in texts] for texts in (above, below))
    return "\n".join([*first, "", *bars(rows), "", *last, ""])


def bars(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Rows of texts as a grid."""
    return [bar(list(rows[0])), "|" + " --- |" * len(rows[0]), *(bar(list(row.values())) for row in rows)]


def bar(texts: Sequence[str]) -> str:
    """One line of a grid."""
    return "| " + " | ".join(escape(text) for text in texts) + " |"


def drawn(cell: Cell) -> str:
    """The cell with its marks after the measured number."""
    return f"{cell.measured_text}{superscript(cell.marks)} {cell.published_text}".rstrip()
