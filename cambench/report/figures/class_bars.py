"""The segmentation chart: the IoU of each class, a bar a classifier, frozen and end to end side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cambench.report.figures.bars import COLOURS
from cambench.report.figures.plots import PLAIN, SMALL, legend, nothing_of, panels_over, quiet
from cambench.report.tables.draft import Draft, finish
from cambench.report.tables.measure import sentences
from cambench.report.tables.model import Cell, Column, Measured, Row, Table
from cambench.store.records import Record

CLASS_INCH, HIGH, LEFT = 0.42, 1.7, 0.55
DECIMALS = 2


@dataclass(frozen=True)
class Series:
    """The classes of one bar colour: how the classifier was used, which it is, its records, the value of each class.

    values: one Measured a class, None for a class that nobody shows or says.
    """

    training: str
    classifier: str
    group: Sequence[Record]
    values: Sequence[Measured | None]


def by_class(table: Table, classes: Sequence[str], series: Sequence[Series]) -> Table:
    """The chart as a table: a row a class, a column a training and classifier, in per cent.

    table: the means over the classes, whose title, banner and first notes hold here too.
    """
    cells = [[Cell(DECIMALS, s.values[c]) for s in series] for c in range(len(classes))]
    about = [[cell_sentences(s, s.values[c]) for s in series] for c in range(len(classes))]
    made = replace(
        table,
        id=f"{table.id}-by-class",
        title=f"{table.title}, class by class",
        caption=table.caption.replace("Mean IoU over the classes", "IoU of each class"),
        row_headers=("Class",),
        columns=tuple(Column((s.training, s.classifier), "%", "up") for s in series),
        rows=tuple(Row((name,), ()) for name in classes),
        notes=(*table.notes, "— is a class that neither truth nor prediction shows on any image."),
        footnotes=(),
        wrap=4,
    )
    return finish(made, Draft(cells=cells, about=about))


def cell_sentences(series: Series, value: Measured | None) -> list[str]:
    """The sentences about one cell, which has no interval: its rows count pixels, and are not resampled by class."""
    if value is None:
        return []
    every = [s for s in sentences(series.group, value) if "bootstrap" not in s]
    return every if value.std is not None else [*every, f"One seed ({value.seeds[0]})"]


def class_bars(table: Table) -> Figure:
    """A panel a training, a group of bars a class, a bar a classifier; thin lines: ± std over the seeds.

    Raises: UsageError where nothing is measured.
    """
    if all(cell.measured is None for row in table.rows for cell in row.cells):
        raise nothing_of(table, "segmentation", "measured")
    trainings, classifiers = (list(dict.fromkeys(column.label[i] for column in table.columns)) for i in (0, 1))
    width = max(LEFT + 0.2 + CLASS_INCH * len(table.rows), 5.5)
    words = [*table.banner, "IoU of each class in %; lines: ± std over seeds.", *table.footnotes]
    figure, panels = panels_over(words, (len(trainings), 1), (width, HIGH), (LEFT, 0.15, 0, 0.3), (0, 0.45, 0.7))
    for t, (training, (axes,)) in enumerate(zip(trainings, panels, strict=True)):
        panel(axes, table, training, classifiers)
        axes.set_title(training, fontsize=SMALL + 1, loc="left", **PLAIN)
        names = [row.label[0].replace("_", " ") for row in table.rows] if t == len(trainings) - 1 else []
        axes.set_xticks(range(len(table.rows)), names or [""] * len(table.rows), rotation=35, ha="right")
    legend(figure)
    return figure


def panel(axes: Axes, table: Table, training: str, classifiers: Sequence[str]) -> None:
    """The bars of one training; a class without a value has no bar."""
    thick = 0.8 / len(classifiers)
    for c, column in enumerate(table.columns):
        if column.label[0] != training:
            continue
        k = classifiers.index(column.label[1])
        shown = [(r, row.cells[c].measured) for r, row in enumerate(table.rows)]
        bars = [(r + (k - (len(classifiers) - 1) / 2) * thick, m) for r, m in shown if m is not None]
        axes.bar(
            [x for x, _ in bars],
            [m.mean for _, m in bars],
            thick * 0.9,
            color=COLOURS[k % len(COLOURS)],
            label=column.label[1],
        )
        for x, m in bars:
            if m.std is not None:
                axes.plot([x, x], [m.mean - m.std, m.mean + m.std], color="#333333", linewidth=0.6)
    axes.set_ylabel("IoU (%)", fontsize=SMALL + 1)
    axes.set_ylim(bottom=0)
    axes.set_xlim(-0.6, len(table.rows) - 0.4)
    axes.tick_params(labelsize=SMALL, length=2)
    quiet(axes)
    axes.set_axisbelow(True)


def listed(table: Table) -> list[dict[str, Any]]:
    """The bars, for a machine."""
    return [
        {"class": row.label[0], "training": column.label[0], "classifier": column.label[1], "measured": cell.measured.mean}
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if cell.measured is not None
    ]
