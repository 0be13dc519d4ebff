"""A table over a number (columns 0, 0.01, 0.1, …) as curves: the λ curve of Table 10."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cambench.report.figures.plots import PLAIN, SMALL, nothing_of, panels_over, quiet
from cambench.report.tables.model import Table
from cambench.report.tables.varied import SPACE
from cambench.vocabulary import UsageError

OURS, THEIRS = "#1f5fa8", "#8a8a8a"
SIZE, MARGINS = (3.1, 2.6), (0.62, 0.16, 0.45, 0.3)
ACROSS, LETTERS, LINE = 4, 34, 0.15
"""Panels side by side; letters of a line of a title, and its height in inches."""
SPREAD = ("Mean ±", "One seed", "One episode")


@dataclass(frozen=True)
class Point:
    """A cell of a row: x is its column's number; low and high are one std, or the interval over the images, around ours."""

    row: str
    x: float
    measured: float | None
    low: float | None
    high: float | None
    published: float | None


def points(table: Table) -> list[Point]:
    """The cells, row by row.

    Raises: UsageError where a column is no number.
    """
    every = ((row.heading[-1], number(table, c), cell) for row in table.rows for c, cell in enumerate(row.cells))
    return [Point(name, x, *cell.drawn) for name, x, cell in every]


def number(table: Table, column: int) -> float:
    """The number that a column stands for."""
    text = table.columns[column].label[-1]
    try:
        return float(text)
    except ValueError as e:
        raise UsageError(
            f"figure lambda: expected a table whose columns are numbers, such as cgc/10; {table.id} has {text!r}."
        ) from e


def ablation(table: Table) -> Figure:
    """One panel a row: measured with its spread, published beside it. 0 stands apart, because it is another training.

    Raises: UsageError where there is nothing to draw.
    """
    every = points(table)
    names = dict.fromkeys(p.row for p in every if p.measured is not None or p.published is not None)
    rows = [[p for p in every if p.row == name] for name in names]
    if not rows:
        raise nothing_of(table, "lambda", "measured or published")
    spread = [s for s in (*table.notes, *table.footnotes) if s.startswith(SPREAD)]
    titles = [fill(row[0].row.replace(SPACE, " "), LETTERS) for row in rows]
    west, east, south, north = MARGINS
    above = north + LINE * max(title.count("\n") for title in titles)
    shape = (-(-len(rows) // ACROSS), min(len(rows), ACROSS))
    figure, panels = panels_over((*table.banner, *spread), shape, SIZE, (west, east, south, above))
    drawn = [axes for line in panels for axes in line]
    for axes, row, title in zip(drawn, rows, titles, strict=False):
        panel(axes, row, table.row_headers[-1], title)
    for axes in drawn[len(rows) :]:
        axes.set_axis_off()
    first = figure.axes[0].get_legend_handles_labels()
    if first[0]:
        figure.axes[0].legend(*first, fontsize=SMALL, frameon=False)
    return figure


def panel(axes: Axes, row: Sequence[Point], name: str, title: str) -> None:
    """One row of the table."""
    axes.set_title(title, fontsize=SMALL + 2, **PLAIN)
    theirs = [(p.x, p.published) for p in row if p.published is not None]
    curve(axes, theirs, "published", color=THEIRS, marker="s", markerfacecolor="white", linestyle="--", linewidth=1)
    ours = [(p.x, p.measured) for p in row if p.measured is not None]
    curve(axes, ours, "measured", color=OURS, marker="o", linewidth=1.4)
    for p in row:
        if p.measured is not None and p.low is not None and p.high is not None:
            axes.plot([p.x, p.x], [p.low, p.high], color=OURS, linewidth=0.9, marker="_", markersize=5)
    xs = sorted(p.x for p in row)
    smallest = min((x for x in xs if x > 0), default=1.0)
    axes.set_xscale("symlog", linthresh=smallest, linscale=0.6)
    axes.set_xlim(xs[0] - 0.3 * smallest if xs[0] <= 0 else xs[0] / 1.3, xs[-1] * 1.3)
    axes.set_xticks(xs, [f"{x:g}" for x in xs])
    axes.minorticks_off()
    axes.set_xlabel(name, fontsize=SMALL + 1, **PLAIN)
    axes.tick_params(labelsize=SMALL)
    quiet(axes)


def curve(axes: Axes, pairs: Sequence[tuple[float, float]], label: str, **style: Any) -> None:
    """The points above 0 as a line, the one at 0 by itself."""
    rest = [pair for pair in pairs if pair[0] > 0]
    apart = [pair for pair in pairs if pair[0] <= 0]
    if rest:
        axes.plot(*zip(*rest, strict=True), label=label, markersize=4, **style)
    if apart:
        named: dict[str, Any] = {} if rest else {"label": label}
        axes.plot(*zip(*apart, strict=True), markersize=4, **{**style, "linestyle": "none"}, **named)
