"""A training method's page, for `cambench ls methods NAME`: every setting that `--set` takes, and where it is from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cambench.recipes import load, toml
from cambench.recipes.method import SEARCH


def page(name: str) -> dict[str, Any]:
    """Its words, its settings, those in their place on single data sets (later ones win), the ranges of a search.

    Raises: UsageError for an unknown name.
    """
    name = load.METHODS.key(name)
    elsewhere = {"dataset": "", "arch": load.word(name, "arch"), "task": "full", "batch_size": 0}
    settings = {key: (value, source) for _, key, value, source in load.resolve(name, elsewhere)}
    return {
        "name": name,
        **{word: load.word(name, word) for word in ("summary", "source", "objective", "arch")},
        "settings": {written(key, value): source for key, (value, source) in settings.items()},
        "instead": dict(blocks(name)),
        "ranges": {
            f"{key}={values}": "" for part in load.lineage(name) for key, values in part.text.get(SEARCH, {}).items()
        },
    }


def blocks(name: str) -> Iterator[tuple[str, str]]:
    """Which recipe of the method, or of one that it extends, has on which data, architecture and task which other settings.

    In the order in which they apply; settings of an objective that the method has not are left out.
    """
    objective = load.word(name, "objective")
    for part in load.lineage(name):
        own = load.word(part.name, "objective") == objective
        for number, block in enumerate(part.text.get("when", ()), 1):
            given = {key: v for key, v in block.get("set", {}).items() if own or not key.startswith("objective_settings.")}
            where = "; ".join(f"{fact} {', '.join(map(str, v))}" for fact, v in load.conditions(block).items())
            if given:
                settings = ", ".join(written(key, value) for key, value in given.items())
                yield f"{part.name} {number}: {where}", f"{settings} ({block['source']})"


def written(key: str, value: Any) -> str:
    """A setting as `--set` takes it."""
    return f"{key}={value if isinstance(value, str) else toml.written(value)}"
