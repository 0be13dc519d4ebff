"""Part of a table: the rows and columns that a person names by their labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cambench.lookup import canonical, nearest
from cambench.recipes.tables import Line, Select, TableRecipe, cells
from cambench.vocabulary import UsageError


def names(line: Line) -> set[str]:
    """What a row or column goes by: its whole label ("ResNet18/CGC"), each level of it, and its published name."""
    return {canonical(text) for text in ("/".join(line.label), *line.label, line.key) if text}


def part(
    recipes: Sequence[TableRecipe],
    rows: Sequence[str],
    columns: Sequence[str],
    renamed: Callable[[Line], Line] = lambda line: line,
) -> list[TableRecipe]:
    """The tables with only the named rows and columns (none named: all); a table of which nothing is left is left out.

    renamed: how a stand-in writes a line; both spellings are understood.
    Raises: UsageError with the nearest labels for a name that no table has, or where nothing of any table is left.
    """
    for labels, kind, lines in (
        (rows, "row", [line for recipe in recipes for line in recipe.rows]),
        (columns, "column", [line for recipe in recipes for line in recipe.columns]),
    ):
        every = set().union(*(names(line) | names(renamed(line)) for line in lines))
        for label in labels:
            if canonical(label) not in every:
                raise UsageError(nearest(label, every, kind))
    lines_of = [(recipe, kept(recipe.rows, rows, renamed), kept(recipe.columns, columns, renamed)) for recipe in recipes]
    parts = [smaller(recipe, r, c) for recipe, r, c in lines_of if r and c]
    if not parts:
        labels = f"row {', '.join(rows)} and column {', '.join(columns)}"
        raise UsageError(f"expected rows and columns of one table, got {labels}.")
    return parts


def published_only(recipe: TableRecipe) -> list[str]:
    """The rows and columns for which there is nothing to run, by their labels; none of a table that only counts."""
    return [] if recipe.counts else ["/".join(line.label) for line in (*recipe.rows, *recipe.columns) if line.published_only]


def about(recipes: Sequence[TableRecipe], wanted: Callable[[Select], bool]) -> list[TableRecipe]:
    """The tables with the rows and columns alone that hold a cell of a wanted selection; of others nothing is left."""
    left = []
    for recipe in recipes:
        hits = [[any(map(wanted, cell.alternatives)) for cell in row] for row in cells(recipe)]
        rows = [line for line, row in zip(recipe.rows, hits, strict=True) if any(row)]
        columns = [line for line, column in zip(recipe.columns, zip(*hits, strict=True), strict=True) if any(column)]
        left += [smaller(recipe, rows, columns)] if rows else []
    return left


def kept(lines: Sequence[Line], labels: Sequence[str], renamed: Callable[[Line], Line]) -> list[Line]:
    """The lines with one of the labels (no label: all of them), in the table's order."""
    spellings = {canonical(label) for label in labels}
    return [line for line in lines if not labels or spellings & (names(line) | names(renamed(line)))]


def smaller(recipe: TableRecipe, rows: list[Line], columns: list[Line]) -> TableRecipe:
    """The table with these lines, saying that it is a part."""
    if (len(rows), len(columns)) == (len(recipe.rows), len(recipe.columns)):
        return recipe
    size = f"{len(rows)} of {len(recipe.rows)} rows, {len(columns)} of {len(recipe.columns)} columns"
    note = f"A part of the table: {size}, as chosen."
    return recipe.model_copy(update={"rows": rows, "columns": columns, "notes": [note, *recipe.notes]})
