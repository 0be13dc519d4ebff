"""What the figures share: how they are written and which words fit into them."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cambench.files import atomic_buffer
from cambench.lookup import nearest
from cambench.report.tables.model import Table
from cambench.store.records import Record
from cambench.store.runs import RunInfo
from cambench.vocabulary import UsageError

METADATA: dict[str, dict[str, str | None]] = {"pdf": {"CreationDate": None}, "png": {"Software": None}}
"""The formats, and what keeps their files the same from day to day."""
DPI = 200
SMALL = 7.0
LINE, EDGE = 0.13, 0.12
"""Inches: a line of text, the margin."""
GREY = "#444444"
PLAIN: dict[str, Any] = {"parse_math": False}
"""For every text that comes from data: a dollar sign is a dollar sign."""


@dataclass(frozen=True)
class Sheet:
    """A figure that is measured in inches from its upper left corner."""

    figure: Figure
    width: float
    high: float

    def axes(self, left: float, top: float, width: float, high: float, *, bare: bool = True) -> Axes:
        """Empty axes; bare: without ticks and frame."""
        share = (left / self.width, 1 - (top + high) / self.high, width / self.width, high / self.high)
        axes = self.figure.add_axes(share)
        if bare:
            axes.set_axis_off()
        return axes

    def text(self, left: float, top: float, text: str, **style: Any) -> None:
        """Words whose last line stands on `top`."""
        self.figure.text(left / self.width, 1 - top / self.high, text, va="bottom", **PLAIN, **style)

    def foot(self, lines: Sequence[str]) -> None:
        """Lines at the bottom."""
        for n, line in enumerate(lines, 1 - len(lines)):
            self.text(EDGE, self.high - EDGE + LINE * n, line, fontsize=SMALL - 1, color=GREY)


def nothing_of(table: Table, kind: str, what: str) -> UsageError:
    """The error of a figure of a table without numbers. what: measured, or published."""
    return UsageError(f"figure {kind}: nothing of {table.id} is {what}; see `cambench reproduce {table.id} --dry-run`.")


def form(path: Path) -> str:
    """The format that a file name asks for.

    Raises: UsageError for another ending than .pdf and .png.
    """
    ending = path.suffix.lower().removeprefix(".")
    if ending not in METADATA:
        raise UsageError(f"--out {path}: {nearest(ending, METADATA, 'picture format')}")
    return ending


def save(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all, as its name's ending says."""
    ending = form(path)
    with rc_context({"pdf.fonttype": 42}), atomic_buffer(path) as buffer:  # TrueType: journals refuse Type 3
        figure.savefig(buffer, format=ending, dpi=DPI, metadata=METADATA[ending])


def svg_uri(figure: Figure) -> str:
    """A figure as an SVG inside a URI, the same from day to day."""
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "cambench"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def wrapped(text: str, width: int, lines: int = 3) -> str:
    """The text in lines of at most `width` letters; what needs more lines ends in an ellipsis."""
    return "\n".join(textwrap.wrap(text, width, max_lines=lines, placeholder=" …", break_long_words=True))


def sentences(shown: Iterable[RunInfo | Record], notes: Iterable[str] = ()) -> list[str]:
    """Every sentence that must stand under what runs or records show, each once. notes: the data set's."""
    every = [*shown]
    wrong = [f"{one.method}, seed {one.seed}: {sentence}" for one in every for sentence in one.warnings]
    parts, departures = ([s for one in every for s in getattr(one, name)] for name in ("partial", "deviations"))
    return list(dict.fromkeys(f"{s.rstrip('.')}." for s in (*parts, *notes, *wrong, *departures)))


def footed(notes: Iterable[str], width: float, letters: float = 17, most: int = 4) -> list[str]:
    """The lines beneath a figure of `width` inches, `letters` an inch, at most so many a sentence."""
    return [line for text in notes for line in wrapped(text, int(width * letters), most).splitlines()]


def panels_over(
    notes: Iterable[str],
    shape: tuple[int, int],
    size: tuple[float, float],
    margins: tuple[float, float, float, float],
    room: tuple[float, float, float] = (0, 0, 0.1),
) -> tuple[Figure, list[list[Axes]]]:
    """A figure of (rows, columns) panels over the notes, and its axes row by row.

    size: inches of a panel with its margins (left, right, below, above). room: inches left of all, above them for a legend,
    below them for what their axes say.
    """
    (wide, tall), (west, east, south, north), (left, above, below) = size, margins, room
    width = left + wide * shape[1]
    lines = footed(notes, width)
    sheet = Sheet(Figure(), width, above + tall * shape[0] + below + 0.14 * len(lines))
    sheet.figure.set_size_inches(width, sheet.high)
    inner = (wide - west - east, tall - south - north)
    axes = [
        [sheet.axes(left + west + wide * c, above + north + tall * r, *inner, bare=False) for c in range(shape[1])]
        for r in range(shape[0])
    ]
    top = (0.14 * len(lines) + 0.06) / sheet.high
    sheet.figure.text(0.01, top, "\n".join(lines), fontsize=SMALL - 0.5, va="top", color=GREY, **PLAIN)
    return sheet.figure, axes


def legend(figure: Figure, columns: int = 0, names: Sequence[str] = (), handles: Sequence[Any] = (), **style: Any) -> None:
    """One legend at the top for all panels: the lines and names of the first panel where no others are given.

    columns: 0 puts all names in one row.
    """
    lines, words = figure.axes[0].get_legend_handles_labels()
    lines, words = [*(handles or lines)], [*(names or words)]
    options: dict[str, Any] = {
        "loc": "upper center",
        "ncols": columns or len(words),
        "fontsize": SMALL,
        "title_fontsize": SMALL,
    }
    for text in figure.legend(lines, words, frameon=False, **options, **style).get_texts():
        text.set(**PLAIN)


def quiet(axes: Axes) -> None:
    """Pale lines at the heights that the ticks name, and no frame above and to the right."""
    axes.grid(axis="y", linewidth=0.4, color="#dddddd")
    axes.spines[["top", "right"]].set_visible(False)


def without_common(labels: Sequence[str]) -> tuple[dict[str, str], str]:
    """Labels without the words that all of them share -> (label -> short label, the shared words).

    A label that would be empty keeps its first word, as does every other one.
    """
    if not labels:
        return {}, ""
    words = [label.split(" ") for label in labels]
    shared = [word for word in words[0] if all(word in other for other in words)] if len(words) > 1 else words[0][1:]
    if any(set(other) <= set(shared) for other in words):
        shared = [word for word in shared if word not in {other[0] for other in words}]
    short = {label: " ".join(w for w in own if w not in shared) for label, own in zip(labels, words, strict=True)}
    return short, " ".join(dict.fromkeys(shared))
