"""Listings on stdout, as wide as the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from cambench.vocabulary import printable

WIDTH = 100


class Plain(Console):
    """A console on which the names of files and classes do nothing but show: control characters are spelled out."""

    def __init__(self, **options: Any) -> None:
        super().__init__(emoji=False, **options)  # `python:two:a` is no emoji

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of what is printed; those that rich itself moves the cursor with are its own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def output() -> Console:
    """The console of stdout; as wide as a page where there is no terminal."""
    return Plain(file=sys.stdout, width=None if sys.stdout.isatty() else WIDTH)


def print_rows(rows: Sequence[dict[str, str]], folded: str | None = None) -> None:
    """A plain listing on stdout: one line a row, columns in step, wrapped to the terminal.

    folded: the one column that may be wrapped; None: all but the first.
    """
    console = output()
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    names = list(rows[0]) if rows else []
    for i, name in enumerate(names):
        grid.add_column(name, no_wrap=i == 0 if folded is None else name != folded, overflow="fold")
    for row in rows:
        grid.add_row(*(row[name] for name in names))
    console.print(grid if rows else "none", highlight=False, markup=False)
