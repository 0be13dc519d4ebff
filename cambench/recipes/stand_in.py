"""A table on another data set: what `--on synthbirds` makes of a table recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from cambench.lookup import canonical, network_name
from cambench.recipes.tables import Line, Select, TableRecipe

EPISODE = "episode"
"""The split of a few-shot run: the images that its own episode leaves out of the training."""

STAYING = (EPISODE, "train")

PRETRAINED = "pretrained"
SIZE = "train.batch_size"
LENGTHS = (SIZE, "train.epochs", "schedule.name", "schedule.step", "schedule.milestones")
"""The settings that a stand-in has of its own: the paper's batch may be all of its data, the paper's epochs too few."""
OWN = "own"


def stand_in(
    recipe: TableRecipe,
    dataset: str,
    *,
    split: str,
    arch: str | None = None,
    others: Mapping[str, str] = MappingProxyType({}),
) -> TableRecipe:
    """The same table with every data set (and, if given, every architecture) replaced; lines that become equal are one.

    A table that names no architecture is of the given one.

    The published values do not belong to such a table: its cells have no key and rows that are only published are gone.
    A label that names what was replaced names the replacement: the first level of a line that selects a data set, any word
    that is the name of a data set or of an architecture of the table. Where the paper's batch sizes are a setting, there is
    one, the recipe's own; so are the epochs. A mean is over the lines that still differ. `split` is the evaluation split of
    what stands in; a cell on the training split stays on it. others: canonical name of a data set of the table -> what
    stands in for it, where that is not `dataset` (a set of another task).
    """
    if arch and not any(select.arch for select in selects(recipe)):
        recipe = recipe.model_copy(update={"select": recipe.select.model_copy(update={"arch": arch})})
    names = replaced(recipe, dataset, arch, others)
    rows, columns = (
        merged([replace(line, split, arch, names) for line in lines if not line.published_only])
        for lines in (recipe.rows, recipe.columns)
    )
    select = put(recipe.select, split, arch, names)
    standing = dict.fromkeys(names[canonical(name)] for name in datasets(recipe)) or {dataset: None}
    title = f"{recipe.title} (stand-in: {', '.join(filter(None, (*standing, arch)))})"
    words = {"title": title, "caption": f"In the paper: {recipe.caption}", "notes": recipe.notes, "caveats": []}
    return recipe.model_copy(update={**words, "rows": rows, "columns": columns, "select": select, "stand_in": dataset})


def selects(recipe: TableRecipe) -> list[Select]:
    """Everything that a table selects."""
    return [recipe.select, *(s for line in (*recipe.rows, *recipe.columns) for s in line.select)]


def datasets(recipe: TableRecipe) -> list[str]:
    """The data sets on which a table measures, each once."""
    return list(dict.fromkeys(s.dataset for s in selects(recipe) if s.dataset))


def replaced(
    recipe: TableRecipe, dataset: str, arch: str | None, others: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Canonical name -> what stands in for it: data sets, metrics that have a cheaper one, architectures if one is given."""
    names = {canonical(name): others.get(canonical(name), dataset) for name in datasets(recipe)}
    names |= {canonical(name): metric for name, metric in recipe.cheaper.items()}
    if arch:
        names |= {canonical(s.arch.removeprefix("torchvision:")): network_name(arch) for s in selects(recipe) if s.arch}
    return names


def put(select: Select, split: str, arch: str | None, names: Mapping[str, str]) -> Select:
    """The selection with what it names replaced; the stand-in is also what is trained on. An episode stays an episode.

    A layer goes with the network that it belongs to.
    """
    new = {
        "dataset": names[canonical(select.dataset)] if select.dataset else None,
        "split": select.split if select.split in STAYING else split,
        "arch": arch,
        "metric": names.get(canonical(select.metric)) if select.metric else None,
    }
    update: dict[str, Any] = {k: v for k, v in new.items() if v is not None and getattr(select, k) is not None}
    if arch is not None and select.layer is not None:
        update["layer"] = None
    update["settings"] = {k: v for k, v in select.settings.items() if k not in ("dataset", *LENGTHS)}
    return select.model_copy(update=update)


def replace(line: Line, split: str, arch: str | None, names: Mapping[str, str]) -> Line:
    """A row or column with what it selects, and its label, replaced; a network that is trained goes before a given one."""
    label = [" ".join(names.get(canonical(word), word) for word in text.split(" ")) for text in line.label]
    sizes = {str(s.settings[SIZE]) for s in line.select if SIZE in s.settings}
    label = [OWN if text in sizes else text for text in label]
    named = next((s.dataset for s in line.select if s.dataset), None)
    if named is not None:
        label[0] = names[canonical(named)]
    trained = [s for s in line.select if canonical(s.method or "") != PRETRAINED] or line.select
    select: list[Select] = []
    for s in (put(s, split, arch, names) for s in trained):
        if s not in select:
            select.append(s)
    return line.model_copy(update={"label": label, "select": select})


def merged(lines: Sequence[Line]) -> list[Line]:
    """The lines without those that repeat an earlier label, and without means over one thing that has its own line."""
    first: dict[tuple[str, ...], Line] = {}
    for line in lines:
        first.setdefault(tuple(line.label), line)
    singles = [line.select for line in first.values() if not line.mean]
    kept = [line for line in first.values() if not line.mean or line.select not in singles]
    return [line.model_copy(update={"mean": line.mean and len(line.select) > 1}) for line in kept]
