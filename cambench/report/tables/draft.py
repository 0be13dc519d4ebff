"""From drafted cells to a table: sentences become notes and numbered footnotes, each printed once, as high as it is true.

A sentence that holds for every measured cell is a note of the table; one that holds for whole rows or whole columns marks
their labels; only what is left marks single cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cambench.report.tables.measure import LAYER
from cambench.report.tables.model import Cell, Column, Row, Table

Place = tuple[str, int, int]
"""("row", r, 0), ("column", c, 0) or ("cell", r, c)."""


@dataclass
class Draft:
    """A grid of cells with the sentences about each, and those about whole rows and columns.

    reasons: (row, column) -> why something of a cell was not measured; unlike `about`, for unmeasured cells too.
    """

    cells: list[list[Cell]]
    about: list[list[list[str]]]
    rows: list[list[str]] = field(default_factory=list)
    columns: list[list[str]] = field(default_factory=list)
    reasons: Mapping[tuple[int, int], Sequence[str]] = field(default_factory=dict)

    def measured(self) -> set[tuple[int, int]]:
        """Positions of the measured cells."""
        return {(r, c) for r, row in enumerate(self.cells) for c, cell in enumerate(row) if cell.measured is not None}


def places(held: set[tuple[int, int]], measured: set[tuple[int, int]], concerned: set[tuple[int, int]]) -> list[Place]:
    """Where to mark a sentence that the cells `held` share; empty where it is true of every measured cell it can concern."""
    if held == concerned:
        return []
    for axis, name in ((0, "row"), (1, "column")):
        lines = {cell[axis] for cell in held}
        if held == {cell for cell in measured if cell[axis] in lines}:
            return [(name, line, 0) for line in sorted(lines)]
    return [("cell", r, c) for r, c in sorted(held)]


def assigned(draft: Draft) -> tuple[list[str], dict[Place, list[str]]]:
    """The table's notes, and the sentences at each place."""
    measured = draft.measured()
    held: dict[str, set[tuple[int, int]]] = {}
    for r, c in sorted(measured):
        for sentence in draft.about[r][c]:
            held.setdefault(sentence, set()).add((r, c))
    explained = set().union(*(where for sentence, where in held.items() if sentence.startswith(LAYER)))
    notes: list[str] = []
    at: dict[Place, list[str]] = {}
    for name, lines in (("column", draft.columns), ("row", draft.rows)):
        for i, sentences in enumerate(lines):
            at[(name, i, 0)] = list(sentences)
    for sentence, where in held.items():
        marks = places(where, measured, explained if sentence.startswith(LAYER) else measured)
        notes += [] if marks else [sentence]
        for place in marks:
            at.setdefault(place, []).append(sentence)
    for (r, c), why in draft.reasons.items():
        at.setdefault(("cell", r, c), []).extend(why)
    return notes, at


def reading_order(place: Place) -> tuple[int, int, int]:
    """Column labels first, then each row's label and its cells."""
    kind, r, c = place
    return (0, 0, r) if kind == "column" else (1, r, -1 if kind == "row" else c)


def finish(table: Table, draft: Draft) -> Table:
    """The table with the draft's cells, its notes and its numbered footnotes.

    `table` brings everything else; its rows bring labels and as many cells as the draft.
    """
    notes, at = assigned(draft)
    numbers: dict[str, int] = {}
    marks: dict[Place, tuple[int, ...]] = {}
    for place in sorted(at, key=reading_order):
        marks[place] = tuple(sorted(numbers.setdefault(sentence, len(numbers) + 1) for sentence in dict.fromkeys(at[place])))
    columns: Sequence[Column] = [replace(col, marks=marks.get(("column", i, 0), ())) for i, col in enumerate(table.columns)]
    rows: Sequence[Row] = [
        replace(
            row,
            marks=marks.get(("row", r, 0), ()),
            cells=tuple(replace(cell, marks=marks.get(("cell", r, c), ())) for c, cell in enumerate(draft.cells[r])),
        )
        for r, row in enumerate(table.rows)
    ]
    notes = [note for note in notes if not any(note in sentence for sentence in table.banner)]
    sentences = tuple(dict.fromkeys([*table.notes, *(full_stop(note) for note in notes)]))
    return replace(
        table,
        columns=tuple(columns),
        rows=tuple(rows),
        notes=sentences,
        footnotes=tuple(full_stop(sentence) for sentence in numbers),
    )


def full_stop(text: str) -> str:
    """The text with its full stop; the first letter stays as it is, because it may begin a name."""
    return text if text.endswith((".", "!", "?")) else f"{text}."
