"""A table recipe, records and published values → the table in the paper's own layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from cambench.metrics import find_metric
from cambench.recipes.published import Key, Published, find_published
from cambench.recipes.tables import CellRecipe, Line, Select, TableRecipe, cells
from cambench.report.counts import counted, sets_and_classes
from cambench.report.draft import Draft, finish
from cambench.report.means import drawn_mean
from cambench.report.measure import measure, sentences, troubles, warning
from cambench.report.model import Cell, Column, Row, Table
from cambench.report.select import chosen, variant_of
from cambench.store.records import Record

Heading = tuple[str, str | None]
"""(unit, direction)."""

LEGEND = "Cells: measured (published, difference); — is not measured."
LEGEND_STAND_IN = "Cells: measured; — is not measured."
LEGEND_COUNTS = "Cells: classes that our own list counts (published, difference)."
STAND_IN = "{} stands in for the paper's data; the paper's numbers are left out, because they do not apply to it."
PUBLISHED_ONLY = "Published only: there is nothing here to run"
NOTHING: Heading = ("", None)
OURS = "Not in the paper's table"


def paper_table(
    recipe: TableRecipe,
    records: Sequence[Record],
    published: Mapping[Key, Published],
    reasons: Mapping[tuple[int, int], Sequence[str]] = MappingProxyType({}),
) -> Table:
    """The table with every cell that the records can fill; a cell without a record is shown, never dropped.

    reasons: (row, column) -> why something of a cell was not measured, as footnotes.
    Raises: UsageError where the recipe names a published value that is not there.
    """
    grid = cells(recipe)
    drawn = [[draw(cell, records, published) for cell in row] for row in grid]
    draft = Draft(
        cells=[[cell for cell, _, _ in row] for row in drawn],
        about=[[about for _, about, _ in row] for row in drawn],
        rows=[spoken(line, [cell for cell, _, _ in row]) for line, row in zip(recipe.rows, drawn, strict=True)],
        columns=[spoken(line, [row[c][0] for row in drawn]) for c, line in enumerate(recipe.columns)],
        reasons=reasons,
    )
    shown = [group for row in drawn for cell, _, group in row if cell.measured is not None]
    incomparable = [g for row in drawn for cell, _, g in row if cell.measured is not None and not cell.measured.comparable]
    by_row, by_column = headings(recipe, grid)
    table = Table(
        id=recipe.id,
        title=recipe.title,
        caption=f"{recipe.caption} Source: {recipe.source}, {recipe.paper}.",
        row_headers=tuple(recipe.row_headers),
        columns=tuple(Column(tuple(c.label), *s) for c, s in zip(recipe.columns, by_column, strict=True)),
        rows=tuple(Row(tuple(r.label), (), *s) for r, s in zip(recipe.rows, by_row, strict=True)),
        wrap=recipe.wrap,
        banner=(
            *([STAND_IN.format(recipe.stand_in)] if recipe.stand_in else []),
            *warning(incomparable, len(shown)),
            *troubles(shown),
        ),
        notes=(
            *legend(recipe),
            *recipe.notes,
            *recipe.caveats,
            *(() if shown else ("Nothing of this table has been measured yet.",)),
        ),
    )
    return finish(table, draft)


def legend(recipe: TableRecipe) -> list[str]:
    """What a cell shows."""
    if recipe.counts:
        return [LEGEND_COUNTS, sets_and_classes()]
    return [LEGEND if recipe.stand_in is None and not recipe.figure else LEGEND_STAND_IN]


def spoken(line: Line, shown: Sequence[Cell]) -> list[str]:
    """The sentences about a whole row or column, of which these cells are shown."""
    only = line.published_only and all(cell.measured is None for cell in shown)
    return [*([PUBLISHED_ONLY] if only else []), *([OURS] if line.ours else []), *line.notes]


def headings(recipe: TableRecipe, grid: Sequence[Sequence[CellRecipe]]) -> tuple[list[Heading], list[Heading]]:
    """Unit and direction for each row's and each column's heading: where the metric is selected."""
    rows, columns = ([shared(line) for line in lines] for lines in (grid, list(zip(*grid, strict=True))))
    if all(select.metric for line in recipe.rows for select in line.select):
        return rows, [NOTHING for _ in columns]
    return [NOTHING for _ in rows], columns


def shared(line: Sequence[CellRecipe]) -> Heading:
    """Unit and direction that all cells of a row or column share; nothing where they differ."""
    found = {shown_as(cell)[:2] for cell in line}
    return found.pop() if len(found) == 1 else NOTHING


def shown_as(cell: CellRecipe) -> tuple[str, str | None, int]:
    """Unit, direction and decimals: what the recipe says, else what the metric's index entry says."""
    metric = cell.alternatives[0].metric
    if metric is None or None not in (cell.unit, cell.direction, cell.decimals):
        return cell.unit or "", cell.direction, 2 if cell.decimals is None else cell.decimals
    entry = find_metric(metric)
    direction = cell.direction or entry.direction(cell.alternatives[0].variant or "")
    unit = entry.unit if cell.unit is None else cell.unit
    return unit, direction, entry.decimals if cell.decimals is None else cell.decimals


def draw(
    recipe: CellRecipe, records: Sequence[Record], published: Mapping[Key, Published]
) -> tuple[Cell, list[str], Sequence[Record]]:
    """The cell, the sentences about it, and the records it shows."""
    decimals = shown_as(recipe)[2]
    printed = None if recipe.key is None else find_published(published, recipe.key)
    if recipe.class_set is not None:
        return Cell(decimals, counted(recipe.class_set), printed), [], ()
    nothing = recipe.published_only and any(select.method is None for select in recipe.alternatives)
    if recipe.mean and not nothing:
        return drawn_mean(recipe.alternatives, records, Cell(decimals, published=printed))
    found = None if nothing else chosen(recipe.alternatives, records)
    if found is None:
        return Cell(decimals, published=printed), [], ()
    select, its = found
    return drawn_from(its, select, recipe, Cell(decimals, published=printed))


def drawn_from(
    found: Sequence[Sequence[Record]], select: Select, recipe: CellRecipe, cell: Cell
) -> tuple[Cell, list[str], Sequence[Record]]:
    """The cell of the preferred group; the others are counted in a footnote, never averaged in."""
    group = found[0]
    measured = measure(group, variant_of(select, group[0]))
    about = sentences(group, measured)
    if len(recipe.alternatives) > 1:
        about.insert(0, f"Measured on {group[0].method} {group[0].arch}")
    left = sum(len(other) for other in found[1:])
    if left:
        about.append(f"{left} further record(s) under other conditions are not shown; see the summary table")
    return Cell(cell.decimals, measured, cell.published), about, group
