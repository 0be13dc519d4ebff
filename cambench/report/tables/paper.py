"""A table recipe, records and published values → the table in the paper's own layout."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

from cambench.metrics import find_metric
from cambench.recipes.published import Key, Published, find_published
from cambench.recipes.tables import CellRecipe, Line, Select, TableRecipe, cells
from cambench.report.tables.counts import counted, sets_and_classes
from cambench.report.tables.draft import Draft, finish
from cambench.report.tables.means import drawn_mean
from cambench.report.tables.measure import measure, mixed, sentences, troubles, warning
from cambench.report.tables.model import Cell, Column, Row, Table
from cambench.report.tables.select import chosen, preference, training, variant_of
from cambench.report.tables.varied import labelled, told_apart
from cambench.store.records import Record

Heading = tuple[str, str | None]
"""(unit, direction)."""
Choice = tuple[Select, list[list[Record]]]
"""The alternative that a cell shows, and the groups of its records, the preferred one first."""

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
    lines = [line for r, row in enumerate(grid) for line in drawn_lines(r, row, records, published)]
    first = {r: n for n, (r, _, _) in reversed(list(enumerate(lines)))}
    drawn = [row for _, _, row in lines]
    draft = Draft(
        cells=[[shown.cell for shown in row] for row in drawn],
        about=[[shown.about for shown in row] for row in drawn],
        rows=[spoken(recipe.rows[r], [shown.cell for shown in row]) for r, _, row in lines],
        columns=[spoken(line, [row[c].cell for row in drawn]) for c, line in enumerate(recipe.columns)],
        reasons={(first[r], c): why for (r, c), why in reasons.items()},
    )
    by_row, by_column = headings(recipe, grid)
    table = Table(
        id=recipe.id,
        title=recipe.title,
        caption=f"{recipe.caption} Source: {recipe.source}, {recipe.paper}.",
        row_headers=tuple(recipe.row_headers),
        columns=tuple(Column(tuple(c.label), *s) for c, s in zip(recipe.columns, by_column, strict=True)),
        rows=tuple(Row(row_label(recipe.rows[r], words), (), *by_row[r]) for r, words, _ in lines),
        wrap=recipe.wrap,
    )
    measured = [shown for row in drawn for shown in row if shown.cell.measured is not None]
    return finish(replace(table, banner=banner(recipe, measured), notes=notes(recipe, measured)), draft)


def banner(recipe: TableRecipe, measured: Sequence[Drawn]) -> tuple[str, ...]:
    """The sentences above the table: which data stands in, and what may not be compared."""
    incomparable = [shown.group for shown in measured if shown.cell.measured and not shown.cell.measured.comparable]
    return (
        *([STAND_IN.format(recipe.stand_in)] if recipe.stand_in else []),
        *warning(incomparable, len(measured)),
        *mixed([shown.group for shown in measured]),
        *troubles(shown.group for shown in measured),
    )


def notes(recipe: TableRecipe, measured: Sequence[Drawn]) -> tuple[str, ...]:
    """The sentences beneath the table."""
    nothing = () if measured else ("Nothing of this table has been measured yet.",)
    return (*legend(recipe), *recipe.notes, *recipe.caveats, *nothing)


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
    """Unit and direction for each row's and each column's heading: where a direction is stated, else the metric selected."""
    rows, columns = ([shared(line) for line in lines] for lines in (grid, list(zip(*grid, strict=True))))
    stated = all(line.direction for line in recipe.columns)
    if not stated and all(select.metric for line in recipe.rows for select in line.select):
        return rows, [NOTHING for _ in columns]
    return [NOTHING for _ in rows], columns


def shared(line: Sequence[CellRecipe]) -> Heading:
    """Unit and direction that all cells of a row or column share; nothing where they differ."""
    headings = {shown_as(cell)[:2] for cell in line}
    return headings.pop() if len(headings) == 1 else NOTHING


def shown_as(cell: CellRecipe) -> tuple[str, str | None, int]:
    """Unit, direction and decimals: what the recipe says, else what the metric's index entry says."""
    metric = cell.alternatives[0].metric
    if metric is None or None not in (cell.unit, cell.direction, cell.decimals):
        return cell.unit or "", cell.direction, 2 if cell.decimals is None else cell.decimals
    entry = find_metric(metric)
    direction = cell.direction or entry.direction(cell.alternatives[0].variant or "")
    unit = entry.unit_of(cell.alternatives[0].variant or "") if cell.unit is None else cell.unit
    return unit, direction, entry.printing.decimals if cell.decimals is None else cell.decimals


@dataclass(frozen=True)
class Drawn:
    """A cell, the sentences about it, the records it shows; further: words -> the same cell under other conditions."""

    cell: Cell
    about: list[str] = field(default_factory=list)
    group: Sequence[Record] = ()
    further: Mapping[str, Drawn] = field(default_factory=dict)


def drawn_lines(
    number: int, row: Sequence[CellRecipe], records: Sequence[Record], published: Mapping[Key, Published]
) -> list[tuple[int, str, list[Drawn]]]:
    """The row of the recipe, then one more for each set of conditions under which some cell was measured as well.

    Each with the recipe row's number and the words that tell it from the first.
    """
    choices = [choice_of(cell, records) for cell in row]
    known = trainings_of(filter(None, choices))
    first = [draw(cell, choice, known, records, published) for cell, choice in zip(row, choices, strict=True)]
    words = dict.fromkeys(word for shown in first for word in shown.further)
    others = [(number, word, [s.further.get(word, Drawn(Cell(s.cell.decimals))) for s in first]) for word in words]
    return [(number, "", first), *others]


def choice_of(recipe: CellRecipe, records: Sequence[Record]) -> Choice | None:
    """What a cell of one measurement shows; None of any other, and where nothing is measured."""
    if recipe.class_set is not None or recipe.mean or nothing_to_run(recipe):
        return None
    return chosen(recipe.alternatives, records)


def nothing_to_run(recipe: CellRecipe) -> bool:
    """Whether the cell is one that the paper alone has."""
    return recipe.published_only and any(select.method is None for select in recipe.alternatives)


def network_of(select: Select, record: Record) -> Hashable:
    """What cells of a row share that show the same networks: method, architecture, data, what the selection sets."""
    return record.method, record.arch, record.dataset, tuple(sorted((k, repr(v)) for k, v in select.settings.items()))


def trainings_of(choices: Iterable[Choice]) -> dict[Hashable, list[Record]]:
    """For each network of a row a record of every training of it, the preferred one first: the row shows it."""
    best: dict[Hashable, dict[str, list[Record]]] = {}
    for select, its in choices:
        for group in its:
            own = best.setdefault(network_of(select, group[0]), {})
            own[training(group[0])] = min(own.get(training(group[0]), group), group, key=preference)
    return {network: [group[0] for group in sorted(own.values(), key=preference)] for network, own in best.items()}


def row_label(line: Line, words: str) -> tuple[str, ...]:
    """The label of a row, the words of other conditions behind its last level."""
    return (*line.label[:-1], labelled(line.label[-1], words))


def draw(
    recipe: CellRecipe,
    choice: Choice | None,
    known: Mapping[Hashable, Sequence[Record]],
    records: Sequence[Record],
    published: Mapping[Key, Published],
) -> Drawn:
    """The cell of a recipe. known: the trainings of the row's networks, the one that the row shows first."""
    decimals = shown_as(recipe)[2]
    printed = None if recipe.key is None else find_published(published, recipe.key)
    empty = Cell(decimals, published=printed)
    if recipe.class_set is not None:
        return Drawn(Cell(decimals, counted(recipe.class_set), printed))
    if recipe.mean and not nothing_to_run(recipe):
        return Drawn(*drawn_mean(recipe.alternatives, records, empty, partial(in_row, known)))
    if choice is None:
        return Drawn(empty)
    select, its = choice
    trainings = known[network_of(select, its[0][0])]
    words = [*zip(words_of(its, trainings), (drawn_from(group, select, recipe, empty) for group in its), strict=True)]
    first = next((i for i, group in enumerate(its) if in_row(known, select, group[0])), None)
    further = {word or f"run {its[i][0].run}": shown for i, (word, shown) in enumerate(words) if i != first}
    if first is None:
        return Drawn(empty, further=further)
    word, own = words[first]
    about = [*own.about, *([f"Of several settings that were measured, this is {word}"] if word else [])]
    return replace(own, about=about, further=further)


def in_row(known: Mapping[Hashable, Sequence[Record]], select: Select, record: Record) -> bool:
    """Whether a record is of the training of its network that the row shows, or of a network that the row does not know."""
    trainings = known.get(network_of(select, record))
    return trainings is None or training(record) == training(trainings[0])


def words_of(its: Sequence[Sequence[Record]], trainings: Sequence[Record]) -> list[str]:
    """What tells a cell's groups apart, and from the trainings of which the cell has nothing."""
    firsts = [group[0] for group in its]
    here = {training(record) for record in firsts}
    measured = {name: getattr(firsts[0], name) for name in ("layer", "precision", "partial", "checkpoint")}
    absent = [replace(record, **measured) for record in trainings if training(record) not in here]
    return told_apart([*firsts, *absent])[: len(firsts)]


def drawn_from(group: Sequence[Record], select: Select, recipe: CellRecipe, cell: Cell) -> Drawn:
    """The cell of one group of records."""
    measured = measure(group, variant_of(select, group[0]))
    about = sentences(group, measured)
    if len(recipe.alternatives) > 1:
        about.insert(0, f"Measured on {group[0].method} {group[0].arch}")
    return Drawn(Cell(cell.decimals, measured, cell.published), about, group)
