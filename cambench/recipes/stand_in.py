"""A table on another data set: what `--on synthbirds` makes of a table recipe."""

from __future__ import annotations

from collections.abc import Sequence

from cambench.lookup import canonical
from cambench.recipes.tables import Line, Select, TableRecipe


def stand_in(recipe: TableRecipe, dataset: str, *, split: str, arch: str | None = None) -> TableRecipe:
    """The same table with every data set (and, if given, every architecture) replaced; lines that become equal are one.

    The published values do not belong to such a table: its cells have no key and rows that are only published are gone.
    A label that names what was replaced names the replacement: the first level of a line that selects a data set, any level
    that is an architecture's name.
    """
    rows, columns = (
        merged([replace(line, dataset, split, arch) for line in lines if not line.published_only])
        for lines in (recipe.rows, recipe.columns)
    )
    select = put(recipe.select, dataset, split, arch)
    note = f"{dataset} stands in for the paper's data; the paper's numbers are left out, because they do not apply to it."
    return recipe.model_copy(
        update={"rows": rows, "columns": columns, "select": select, "stand_in": dataset, "notes": [note, *recipe.notes]}
    )


def put(select: Select, dataset: str, split: str, arch: str | None) -> Select:
    """The selection with what it names replaced."""
    new = {"dataset": dataset, "split": split, "arch": arch}
    return select.model_copy(update={k: v for k, v in new.items() if v is not None and getattr(select, k) is not None})


def replace(line: Line, dataset: str, split: str, arch: str | None) -> Line:
    """A row or column with what it selects, and its label, replaced."""
    old = {canonical(s.arch.removeprefix("torchvision:")) for s in line.select if s.arch and arch}
    label = [arch if arch and canonical(text) in old else text for text in line.label]
    if any(s.dataset for s in line.select):
        label[0] = dataset
    select: list[Select] = []
    for s in (put(s, dataset, split, arch) for s in line.select):
        if s not in select:
            select.append(s)
    return line.model_copy(update={"label": label, "select": select})


def merged(lines: Sequence[Line]) -> list[Line]:
    """The lines without those that repeat an earlier label."""
    first: dict[tuple[str, ...], Line] = {}
    for line in lines:
        first.setdefault(tuple(line.label), line)
    return list(first.values())
