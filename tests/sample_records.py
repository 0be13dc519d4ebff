"""Records made by hand for every cell of a table, each near its published number, so that a person can check the print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cambench.recipes.published import Key, Published
from cambench.recipes.tables import CellRecipe, Select, TableRecipe, cells
from cambench.store.records import Record, Value

IMAGES = 5000
UNPUBLISHED = {"%": 50.0, "probability": 0.5, "nats": 3.0, "ratio": 0.5, "logit": 2.0, "fraction": 0.5, "p²": 0.002}
"""What is measured, 1.5 % more, where nothing is published."""
NEAR = 1.015
"""Measured numbers are 1.5 % above the published ones, and 0.2 % apart from seed to seed."""


def fill(recipe: TableRecipe, published: Mapping[Key, Published], **facts: Any) -> list[Record]:
    """Records for every cell but those of the last row's first column, which stays unmeasured.

    facts: what all of them say (comparable, partial, counts, …). Two cells that look at one record share it.
    """
    found: dict[str, Record] = {}
    grid = cells(recipe)
    for r, row in enumerate(grid):
        for c, cell in enumerate(row):
            if not cell.published_only and (r, c) != (len(grid) - 1, 0):
                enter(found, cell, published, facts)
    return list(found.values())


def enter(found: dict[str, Record], cell: CellRecipe, published: Mapping[Key, Published], facts: Mapping[str, Any]) -> None:
    """The records of one cell, one a seed; a given network has one seed."""
    value = published[cell.key].value if cell.key else None
    for select in cell.alternatives if cell.mean else cell.alternatives[:1]:
        for seed in range(1 if select.method == "pretrained" else cell.seeds):
            measured = (UNPUBLISHED[cell.unit or "%"] if value is None else value) * (NEAR + 0.002 * (seed % 3))
            add(found, select, seed, measured, facts)


def add(found: dict[str, Record], select: Select, seed: int, measured: float, facts: Mapping[str, Any]) -> None:
    """One record, or one more variant of it; what is measured already stays."""
    key = str((select.model_copy(update={"variant": None}), seed))
    value = Value(measured, IMAGES, measured / 100, (measured * 0.99, measured * 1.01))
    values = {select.variant or "": value, **(found[key].values if key in found else {})}
    looks = select.explainer is not None
    found[key] = Record(
        run=f"{select.dataset}-{select.method}-{select.arch}-s{seed}",
        dataset=select.dataset or "",
        split=select.split or "",
        method=select.method or "",
        arch=select.arch or "",
        seed=seed,
        metric=select.metric or "",
        values=values,
        explainer=select.explainer,
        target=(select.target or "logit") if looks else None,
        layer=(select.layer or "layer4") if looks else None,
        checkpoint=select.checkpoint or "last",
        job={"recipe": nested({"dataset": select.dataset, **select.settings})},
        **facts,
    )


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as tables."""
    tables: dict[str, Any] = {}
    for key, value in settings.items():
        *parents, name = key.split(".")
        place = tables
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value
    return tables
