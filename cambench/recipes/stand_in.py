"""A table on another data set: what `--on synthbirds` makes of a table recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cambench.lookup import canonical
from cambench.recipes.tables import Line, Select, TableRecipe

EPISODE = "episode"
"""The split of a few-shot run: the images that its own episode leaves out of the training."""

PRETRAINED = "pretrained"


def stand_in(recipe: TableRecipe, dataset: str, *, split: str, arch: str | None = None) -> TableRecipe:
    """The same table with every data set (and, if given, every architecture) replaced; lines that become equal are one.

    The published values do not belong to such a table: its cells have no key and rows that are only published are gone.
    A label that names what was replaced names the replacement: the first level of a line that selects a data set, any word
    that is the name of a data set or of an architecture of the table.
    """
    names = replaced(recipe, dataset, arch)
    rows, columns = (
        merged([replace(line, dataset, split, arch, names) for line in lines if not line.published_only])
        for lines in (recipe.rows, recipe.columns)
    )
    select = put(recipe.select, dataset, split, arch)
    title = f"{recipe.title} (stand-in: {', '.join(filter(None, (dataset, arch)))})"
    words = {"title": title, "caption": f"In the paper: {recipe.caption}", "notes": recipe.notes, "caveats": []}
    return recipe.model_copy(update={**words, "rows": rows, "columns": columns, "select": select, "stand_in": dataset})


def replaced(recipe: TableRecipe, dataset: str, arch: str | None) -> dict[str, str]:
    """Canonical name -> what stands in for it: every data set, and every architecture where one is given."""
    selects = [recipe.select, *(s for line in (*recipe.rows, *recipe.columns) for s in line.select)]
    names = {canonical(s.dataset): dataset for s in selects if s.dataset}
    if arch:
        names |= {canonical(s.arch.removeprefix("torchvision:")): arch for s in selects if s.arch}
    return names


def put(select: Select, dataset: str, split: str, arch: str | None) -> Select:
    """The selection with what it names replaced; the stand-in is also what is trained on. An episode stays an episode.

    A layer goes with the network that it belongs to.
    """
    new = {"dataset": dataset, "split": select.split if select.split == EPISODE else split, "arch": arch}
    update: dict[str, Any] = {k: v for k, v in new.items() if v is not None and getattr(select, k) is not None}
    if arch is not None and select.layer is not None:
        update["layer"] = None
    if "dataset" in select.settings:
        update["settings"] = {k: v for k, v in select.settings.items() if k != "dataset"}
    return select.model_copy(update=update)


def replace(line: Line, dataset: str, split: str, arch: str | None, names: dict[str, str]) -> Line:
    """A row or column with what it selects, and its label, replaced; a network that is trained goes before a given one."""
    label = [" ".join(names.get(canonical(word), word) for word in text.split(" ")) for text in line.label]
    if any(s.dataset for s in line.select):
        label[0] = dataset
    trained = [s for s in line.select if canonical(s.method or "") != PRETRAINED] or line.select
    select: list[Select] = []
    for s in (put(s, dataset, split, arch) for s in trained):
        if s not in select:
            select.append(s)
    return line.model_copy(update={"label": label, "select": select})


def merged(lines: Sequence[Line]) -> list[Line]:
    """The lines without those that repeat an earlier label."""
    first: dict[tuple[str, ...], Line] = {}
    for line in lines:
        first.setdefault(tuple(line.label), line)
    return list(first.values())
