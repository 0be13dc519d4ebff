"""The figure `segmentation`: ContrastiveCAM's chart, IoU class by class of every cell, from the rows beside the records."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from cambench import data
from cambench.metrics import find_metric
from cambench.metrics.accuracy.segmentation_iou import by_class
from cambench.recipes.tables import CellRecipe, TableRecipe, cells
from cambench.report import Table
from cambench.report.figures import class_bars
from cambench.report.figures.class_bars import Series
from cambench.report.tables.measure import over_seeds
from cambench.report.tables.model import Measured
from cambench.report.tables.paper import paper_table
from cambench.report.tables.select import chosen
from cambench.stages.reporting.choice import Choice, recipes
from cambench.stages.reporting.figures.scene import Drawn
from cambench.stages.workplace import Place
from cambench.store.records import Record, read_columns, read_records, rows_path
from cambench.store.runs import find_run
from cambench.vocabulary import CambenchError, UsageError

METRIC = "segmentation-iou"
TABLE = "contrastive-cam/segmentation"


def segmentation(names: Sequence[str], place: Place, *, on: str | None, arch: str | None) -> Drawn:
    """The chart, and its values as a table. Raises: as `table`."""
    made = table(names or [TABLE], on, arch, place)
    return Drawn(class_bars.class_bars(made), {"table": made.id, "points": class_bars.listed(made)}, made)


def table(wanted: Sequence[str], on: str | None, arch: str | None, place: Place) -> Table:
    """The IoU of each class, the background left out, for every cell of the chart's table that shows the mean over them.

    Raises: UsageError for another table than one of segmentations, or where nothing of it is measured.
    """
    made = recipes(Choice(wanted, on=on, arch=arch), place)
    if len(made) != 1 or any(cell.alternatives[0].metric != METRIC for row in cells(made[0]) for cell in row):
        got = ", ".join(recipe.id for recipe in made)
        raise UsageError(
            f"figure segmentation: expected a table of {METRIC}, such as contrastive-cam/segmentation, got {got}."
        )
    records = read_records(place.results)
    classifiers = [drawn for cell in shown(made[0]) if (drawn := series(*cell, records)) is not None]
    if not classifiers:
        raise UsageError(f"figure segmentation: nothing of {made[0].id} is measured; see `cambench reproduce {made[0].id}`.")
    names = class_names(classifiers[0].group[0], len(classifiers[0].values), place)
    return class_bars.by_class(paper_table(made[0], records, {}), names, classifiers)


def shown(recipe: TableRecipe) -> list[tuple[tuple[str, str], CellRecipe]]:
    """((training, classifier), cell) of the columns that show the mean over the objects' classes, column by column."""
    grid = cells(recipe)
    return [
        ((column.label[0], row.label[0]), grid[r][c])
        for c, column in enumerate(recipe.columns)
        for r, row in enumerate(recipe.rows)
        if not grid[r][c].alternatives[0].variant
    ]


def series(label: tuple[str, str], cell: CellRecipe, records: Sequence[Record]) -> Series | None:
    """The classes of one cell, from the same records that its table shows; None where it is not measured."""
    runs = chosen(cell.alternatives, records)
    if runs is None:
        return None
    group = runs[1][0]
    values = [class_values(record) for record in group]
    return Series(*label, group, [measured(group, per_class) for per_class in zip(*values, strict=True)])


def class_values(record: Record) -> list[float]:
    """IoU of each class of one record in %, the background left out; NaN for a class nobody shows or says."""
    columns = read_columns(rows_path(record.path))
    counts = {name: torch.from_numpy(columns[name]) for name in ("intersection", "union")}
    values: list[float] = (by_class(counts)[1:] * find_metric(METRIC).printing.scale).tolist()
    return values


def measured(group: Sequence[Record], values: Sequence[float]) -> Measured | None:
    """One class over the seeds; None where a seed has no value for it, as fewer seeds are another mean."""
    if not all(math.isfinite(value) for value in values):
        return None
    return over_seeds(group, values, [record.values[""].n for record in group])


def class_names(record: Record, count: int, place: Place) -> tuple[str, ...]:
    """The names of the classes a record was measured on, from the data set.

    Raises: DataError where the data is not at hand; CambenchError where it has another number of classes.
    """
    own = find_run(record.run, place.results).info.data
    names = data.load(own["spec"], record.split, place.data, classes=own.get("classes")).classes
    if len(names) != count:
        raise CambenchError(f"{record.run}: expected {len(names)} classes, those of {record.dataset}, got rows of {count}.")
    return names
