"""Listings on stdout, as wide as the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from cambench.report.formats.grid import grid
from cambench.vocabulary import printable

WIDTH = 100


class Plain(Console):
    """A console on which the names of files and classes do nothing but show: control characters are spelled out.

    A line that is wider than the terminal is not cropped.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(emoji=False, markup=False, highlight=False, **options)  # `python:two:a` is no emoji

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, and crop nothing."""
        super().print(*objects, **{"crop": False, **options})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of what is printed; those that rich itself moves the cursor with are its own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def output() -> Console:
    """The console of stdout; as wide as a page where there is no terminal."""
    return Plain(file=sys.stdout, width=None if sys.stdout.isatty() else WIDTH)


def print_rows(rows: Sequence[Mapping[str, object]]) -> None:
    """A plain listing on stdout: a row each, columns in step."""
    console = output()
    cells = [[str(cell) for cell in row.values()] for row in rows]
    console.print(grid(list(rows[0]), cells, console.width) if rows else "none")
