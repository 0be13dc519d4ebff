"""Pages: a table cut into what fits a printed page, by columns where it would be too small to read, by rows where too tall.

Sizes are estimates, in points, for the standard 10 pt class on paper with margins of 2 cm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise, zip_longest
from math import ceil

from cambench.report.tables.model import Cell, Row, Table, group_starts

WIDTH, HEIGHT = 484.0, 620.0
"""Of the text. The height leaves some for the gaps between caption, grid and notes."""
SMALLEST = 0.6
"""How far the columns side by side may shrink: 10 pt letters to 6 pt."""
GAP, LINE, APART = 12.0, 12.0, 5.0
NARROW, BROAD = frozenset(" .,;:!|'`()[]Iijltf"), frozenset("mwMW%±−+×÷→≤≥≈")
NOTE_LINE, NOTE_CHARACTERS = 9.5, 110
WIDE = 3
"""Columns up to which a cell's published number stands on the measured one's line."""


@dataclass
class Page:
    """What one page holds under its caption: blocks of the grid, then notes; `left`: the height that is free."""

    left: float
    blocks: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def pages(table: Table, notes: Sequence[str], first: float, others: float) -> list[Page]:
    """The blocks and the notes, in order, on as few pages as hold them.

    first, others: the height of caption and banner on the first page and on each further one.
    """
    two, room = two_lines(table), HEIGHT - others
    made = [Page(HEIGHT - first)]
    for block in blocks(table):
        for part in by_rows(block, room if made[-1].blocks else made[-1].left, two=two):
            if (need := height(part, two=two)) > made[-1].left and made[-1].blocks:
                made.append(Page(room))
            made[-1].blocks.append(part)
            made[-1].left -= need
    for note in notes:
        need = NOTE_LINE * lines(note, NOTE_CHARACTERS)
        if need > made[-1].left:
            made.append(Page(room))
        made[-1].notes.append(note)
        made[-1].left -= need
    return made


def lines(text: str, characters: int) -> int:
    """Lines that a text takes."""
    return ceil(len(text) / characters)


def two_lines(table: Table) -> bool:
    """True where cells show the published number below the measured one; one rule for all rows and blocks."""
    return len(table.blocks()[0].columns) > WIDE and any(map(published, table.rows))


def blocks(table: Table) -> list[Table]:
    """The table's own blocks, each cut further where its columns would have to shrink below the smallest letters."""
    two, labels = two_lines(table), label_width(table)
    room = max(WIDTH / SMALLEST - labels, WIDTH / SMALLEST / 2)
    beneath = zip_longest(*(column_widths(block, two=two) for block in table.blocks()), fillvalue=0.0)
    widths = [max(column) for column in beneath]  # blocks share the columns of one grid
    parts = []
    for block in table.blocks():
        for first, end in pairwise(cuts(block, widths[: len(block.columns)], room)):
            rows = tuple(replace(row, cells=row.cells[first:end]) for row in block.rows)
            parts.append(replace(block, columns=block.columns[first:end], rows=rows))
    return parts


def cuts(table: Table, widths: Sequence[float], room: float) -> list[int]:
    """Where columns are cut, with the ends 0 and their number: nowhere if they fit, else into about equal parts.

    A cut falls where headings differ on the highest level, at the last of such places that fits.
    """
    parts = ceil(sum(widths) / room)
    most = ceil(len(widths) / parts)
    ends = [0]
    while (first := ends[-1]) < len(widths):
        fits = [at for at in range(first + 1, len(widths) + 1) if at - first <= most and sum(widths[first:at]) <= room]
        end = max(fits, default=first + 1)
        ends.append(end if end == len(widths) else max(fits or [end], key=lambda at: (-change(table, at), at)))
    return ends


def change(table: Table, at: int) -> int:
    """The highest level (0 at the top) on which the headings of column `at` and of the one before it differ."""
    before, after = (table.columns[i].heading for i in (at - 1, at))
    return next((level for level, (a, b) in enumerate(zip(before, after, strict=True)) if a != b), len(after))


def label_width(table: Table) -> float:
    """Width of the row labels."""
    levels = zip(table.row_headers, *(row.heading for row in table.rows), strict=True)
    return sum(max(map(text_width, texts)) + GAP for texts in levels)


def column_widths(table: Table, *, two: bool) -> list[float]:
    """Width of every column, by its own heading and its cells."""
    cells = zip(*(row.cells for row in table.rows), strict=True)
    heads = (column.heading[-1] for column in table.columns)
    return [
        max(text_width(head), *(cell_width(c, two=two) for c in column)) + GAP
        for head, column in zip(heads, cells, strict=True)
    ]


def cell_width(cell: Cell, *, two: bool) -> float:
    """Width of the cell's longest line."""
    stacked = two and cell.measured is not None
    return max(map(text_width, (cell.measured_text, cell.published_text) if stacked else (cell.text,)))


def text_width(text: str) -> float:
    """Width of one line of text."""
    return sum(3.0 if c in NARROW else 7.5 if c in BROAD or c.isupper() else 5.0 for c in text)


def by_rows(table: Table, room: float, *, two: bool) -> Iterator[Table]:
    """The block, or about equal pieces of it with the same header, none taller than the room."""
    scale, heights = shrink(table, two=two), row_heights(table, two=two)
    if height(table, two=two) <= room:
        yield table
        return
    total, spare = sum(heights), room / scale - header_height(table) - max(heights)
    share = total / max(1, ceil(total / max(spare, LINE)))
    piece = [int((end - need / 2) // share) for need, end in zip(heights, accumulate(heights), strict=True)]
    starts = [i for i, number in enumerate(piece) if i == 0 or number > piece[i - 1]]
    for first, end in pairwise([*starts, len(heights)]):
        yield replace(table, rows=table.rows[first:end])


def height(table: Table, *, two: bool) -> float:
    """Height of a block."""
    return (header_height(table) + sum(row_heights(table, two=two))) * shrink(table, two=two)


def shrink(table: Table, *, two: bool) -> float:
    """What the block is scaled by to fit the width."""
    return min(1.0, WIDTH / (label_width(table) + sum(column_widths(table, two=two))))


def header_height(table: Table) -> float:
    """Height of the header with its rules."""
    return (LINE + APART) * table.levels + APART


def row_heights(table: Table, *, two: bool) -> list[float]:
    """Height of every row with the room above it."""
    starts = group_starts(table)
    return [
        LINE * (2 if two and published(row) else 1) + (APART if two or start else 0)
        for row, start in zip(table.rows, starts, strict=True)
    ]


def published(row: Row) -> bool:
    """True where a cell of the row takes two lines."""
    return any(cell.measured is not None and cell.published_text for cell in row.cells)
