"""Which of the papers' tables are meant, which part of them, and on which data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cambench import data, models
from cambench.lookup import canonical
from cambench.recipes import stand_in
from cambench.recipes.part import part
from cambench.recipes.tables import Line, TableRecipe, cells, load_tables
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError


@dataclass(frozen=True)
class Choice:
    """Which tables ("cgc/6", or "cgc" for all of a paper), which rows and columns of them, on which data and network."""

    tables: Sequence[str]
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    on: str | None = None
    arch: str | None = None


def recipes(choice: Choice, place: Place) -> list[TableRecipe]:
    """The chosen tables and parts of them, on the data set that stands in for the paper's, if one does."""
    if choice.arch is not None:
        if choice.on is None:
            raise UsageError(
                "--arch: expected --on DATASET beside it; the paper's own data goes with its own architectures."
            )
        models.resolve(choice.arch)
    loaded = list({recipe.id: recipe for name in choice.tables for recipe in load_tables(name)}.values())
    if choice.on is None:
        return part(loaded, choice.rows, choice.columns)
    entry, own = data.resolve(choice.on)[0], data.called(choice.on)
    arch = choice.arch or entry.arch or None
    split = data.splits(choice.on, place.data)[-1]

    others = {canonical(name): of_task(entry, name, own) for recipe in loaded for name in stand_in.datasets(recipe)}
    names = {old: new for r in loaded for old, new in stand_in.replaced(r, own, arch, others).items()}

    def renamed(line: Line) -> Line:
        return stand_in.replace(line, split, arch, names)

    parts = part(loaded, choice.rows, choice.columns, renamed)
    options: dict[str, Any] = {"split": split, "arch": arch, "others": others}
    made = [stand_in.stand_in(recipe, own, **options) for recipe in parts if runnable(recipe)]
    if not made:
        of = ", ".join(recipe.id for recipe in loaded)
        raise UsageError(
            f"--on {choice.on}: expected something to run, got nothing in what was chosen of {of}, "
            "so there is nothing to stand in for; leave out --on."
        )
    return made


def of_task(entry: data.DatasetEntry, name: str, own: str) -> str:
    """The set of a stand-in's family whose labels are as those of the data set `name`; its `own` name where it has none."""
    known = data.INDEX.get(canonical(name))
    return own if known is None else entry.for_task.get(known.task, own)


def runnable(recipe: TableRecipe) -> bool:
    """Whether a table has a cell that is measured, not only published."""
    return any(not cell.published_only for row in cells(recipe) for cell in row)
