"""Columns in step on a terminal, for tables and listings alike: texts fold between words, then numbers, if that suffices.

What is still too wide is wider than the terminal: no word and no number is ever broken or cut.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Group, JustifyMethod, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cambench.vocabulary import printable

GAP = 2
"""Between two columns."""
LETTERS = re.compile(r"[^\W\d_]{3}")
"""What a text has and a number has not: `81.20 ± 0.31`, `[0.10, 0.25]³`, `3 × 200` and `1 of 90` fold last."""


def fitted(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    """The widths of columns of texts side by side: each as its widest line, but none beyond a limit that all share.

    The limit is the largest with which all have room. It gives way to words and, unless that is too wide, to numbers.
    """
    lines = [[line for text in column for line in text.splitlines()] or [""] for column in columns]
    widest, numbers, words = ([max(map(of, own)) for own in lines] for of in (cell_len, number_or_word, word))
    for least in (numbers, words):
        for limit in range(max(widest), 0, -1):
            widths = [min(whole, max(own, limit)) for whole, own in zip(widest, least, strict=True)]
            if sum(widths) + GAP * (len(widths) - 1) <= room:
                return widths
    return numbers


def number_or_word(line: str) -> int:
    """The width of a line that is folded between its words; of a number its whole width."""
    return word(line) if LETTERS.search(line) else cell_len(line)


def word(line: str) -> int:
    """The width of a line's longest word, and of its indent."""
    return indent(line) + max(map(cell_len, line.split()), default=0)


def indent(line: str) -> int:
    """Spaces at the beginning of a line."""
    return len(line) - len(line.lstrip(" "))


def grid(
    head: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    room: int,
    *,
    right: Container[int] = (),
    ruled: bool = False,
) -> Table:
    """Rows beneath their heads, which a console prints uncropped. right: numbers of the columns that end in step."""
    texts = [[plain(cell) for cell in column] for column in zip(head, *rows, strict=True)]
    widths = fitted(texts, room)
    gaps = [GAP - ruled] * (len(widths) - 1) + [0]  # the box has a space itself
    table = Table(
        box=SIMPLE_HEAD if ruled else None,
        show_edge=False,
        padding=0,
        header_style="bold",
        width=sum(widths) + GAP * (len(widths) - 1),
    )
    for i, (name, width, gap) in enumerate(zip(head, widths, gaps, strict=True)):
        justify: JustifyMethod = "right" if i in right else "left"
        table.add_column(folding(name, gap), width=width + gap, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*map(folding, row, gaps))
    return table


def plain(cell: str | Text) -> str:
    """A cell's text as it is printed."""
    return cell.plain if isinstance(cell, Text) else printable(cell)


def folding(cell: str | Text, gap: int) -> RenderableType:
    """A cell and the gap behind it; a line that is indented folds under its own beginning."""
    if isinstance(cell, Text):
        return Padding(cell, (0, gap, 0, 0))
    lines = printable(cell).splitlines()
    return Group(*(Padding(Text(line.lstrip(" ")), (0, gap, 0, indent(line))) for line in lines))
