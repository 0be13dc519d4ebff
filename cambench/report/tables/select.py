"""Which records belong together: matching a recipe's selection, and groups whose values may be averaged."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from cambench.lookup import bare_arch, canonical, warn
from cambench.metrics import find_metric
from cambench.recipes.load import load
from cambench.recipes.schema import WORDS
from cambench.recipes.tables import Select
from cambench.store.records import Record
from cambench.vocabulary import FILLED, UsageError

NAMES = ("dataset", "split", "method", "metric", "explainer", "target", "layer")
T = TypeVar("T")
LAST = "last"
"""The checkpoint that a selection shows where it names none."""
CONSTANTS = ("objective_settings", "data")
"""The tables of a recipe that are a method's own."""
TRAINED_ON, MEASURED_ON = "trained on", "measured on"
"""Parts of `job["recipe"]["data"]`: the fingerprints of the data of the training, and of that which was measured."""


def has_metric(record: Record) -> bool:
    """Whether a record's metric is there; what a package measured that is gone or broken is said once, and passed over."""
    try:
        find_metric(record.metric)
    except UsageError as e:
        warn(f"records of {record.metric} are passed over: {e}")
        return False
    return True


def recipe_of(record: Record) -> dict[str, Any]:
    """The training recipe stored with the record (`job["recipe"]`, with the data it saw); empty where there is none."""
    recipe = record.job.get("recipe")
    return recipe if isinstance(recipe, dict) else {}


def setting(record: Record, key: str) -> Any:
    """The value of a dotted key of the training recipe; None where it has no such key."""
    value: Any = recipe_of(record)
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def data_of(record: Record) -> Any:
    """The fingerprint of the data that was measured, None of a record without one."""
    return setting(record, f"data.{MEASURED_ON}")


def part_of(record: Record) -> tuple[str, ...]:
    """The part of the data that was measured; what is said of masks alone is none of it."""
    return tuple(note for note in record.partial if note != FILLED)


def matches(select: Select, record: Record) -> bool:
    """True where every fact that the selection gives holds for the record."""
    for name in NAMES:
        fact, got = getattr(select, name), getattr(record, name)
        if fact is not None and (got is None or canonical(fact) != canonical(got)):
            return False
    if (select.checkpoint or LAST) != record.checkpoint:
        return False
    if select.arch is not None and bare_arch(select.arch) != bare_arch(record.arch):
        return False
    if any(setting(record, key) != value for key, value in select.settings.items()):
        return False
    return variant_of(select, record) in record.values


def variant_of(select: Select, record: Record) -> str:
    """The variant of the metric that the selection shows; without a name, the record's only one.

    Raises: UsageError where the selection names none and the record has several.
    """
    if select.variant is None and len(record.values) > 1:
        raise UsageError(
            f"{record.metric}: expected `select` to name one of its variants ({', '.join(record.values)}), got none."
        )
    return next(iter(record.values)) if select.variant is None else select.variant


def looking(records: Sequence[Record], metrics: Sequence[str], explainers: Sequence[str]) -> list[Record]:
    """The records of some metrics and explainers (none named: of all). A value that depends on no map goes with the
    explainers with which its run was measured.
    """
    of_metrics = [r for r in records if not metrics or r.metric in metrics]
    if not explainers:
        return of_metrics
    runs = {r.run for r in of_metrics if r.explainer in explainers}
    return [r for r in of_metrics if r.explainer in explainers or (r.explainer is None and r.run in runs)]


def conditions(record: Record) -> tuple[str, ...]:
    """Everything but the seed that two records must share to be averaged."""
    facts = [
        getattr(record, name) for name in (*NAMES, "arch", "checkpoint", "precision", "comparable", "partial", "deviations")
    ]
    return (
        *(json.dumps(fact) for fact in facts),
        json.dumps(recipe_of(record).get("data"), sort_keys=True),
        training(record),
    )


def training(record: Record) -> str:
    """The settings of the record's training and the data it saw, as text to compare."""
    return alike(recipe_of(record))


def alike(recipe: Mapping[str, Any]) -> str:
    """The settings of a stored recipe, as text to compare."""
    settings = {k: v for k, v in recipe.items() if k not in WORDS}
    if isinstance(settings.get("data"), dict):
        settings["data"] = {k: v for k, v in settings["data"].items() if k != MEASURED_ON}
    return json.dumps(settings, sort_keys=True, default=str)


def groups(records: Iterable[Record]) -> list[list[Record]]:
    """Records that may be averaged, one record a seed, the groups in order of preference.

    Preferred: comparable, then fewer parts left out, fewer deviations, float32, the method's own constants, more seeds, more
    images. Two runs of one seed under equal conditions are not averaged: the second goes to a group of its own.
    """
    sets = together(records, conditions, lambda r: r.seed, lambda r: r.run)
    return sorted(([*by_seed.values()] for by_seed in sets), key=preference)


def together(
    items: Iterable[T], key: Callable[[T], Hashable], seed: Callable[[T], int], name: Callable[[T], str]
) -> list[dict[int, T]]:
    """Items with equal keys, one a seed, in the order of the seeds; a second one of a seed goes to a group of its own."""
    sets: dict[tuple[Hashable, int], dict[int, T]] = {}
    for item in sorted(items, key=lambda i: (seed(i), name(i))):
        copy, own = 0, key(item)
        while seed(item) in sets.get((own, copy), {}):
            copy += 1
        sets.setdefault((own, copy), {})[seed(item)] = item
    return [*sets.values()]


def chosen(alternatives: Sequence[Select], records: Sequence[Record]) -> tuple[Select, list[list[Record]]] | None:
    """The first of a cell's alternatives that is measured, and the groups of its records; None where none is."""
    for select in alternatives:
        its = groups(record for record in records if matches(select, record))
        if its:
            return select, its
    return None


def other_constants(record: Record, given: Mapping[str, Any]) -> list[str]:
    """The constants in which a run is not as its method's recipe with the settings given: `data.masks`."""
    stored = recipe_of(record)
    if not all(isinstance(stored.get(table), dict) for table in CONSTANTS):
        return []
    settings = {key: value for key, value in given.items() if key != "dataset"}
    own = constants(
        record.method, str(stored.get("dataset", record.dataset)), record.arch, json.dumps(settings, sort_keys=True)
    )
    if own is None:
        return ["method"]
    drawn = (TRAINED_ON, MEASURED_ON)
    keys = [(table, key) for table in CONSTANTS for key in {**stored[table], **own[table]} if key not in drawn]
    return [f"{table}.{key}" for table, key in keys if stored[table].get(key) != own[table].get(key)]


@lru_cache(maxsize=256)
def constants(method: str, dataset: str, arch: str, settings: str) -> Mapping[str, Any] | None:
    """The tables `CONSTANTS` of a method's recipe, with settings (JSON); None of a method or setting that there is not."""
    try:
        recipe = load(method, dataset.partition(":")[0], arch, preset=json.loads(settings))
    except UsageError:
        return None
    resolved = recipe.model_dump(mode="json")
    return {table: resolved[table] for table in CONSTANTS}


def preference(group: Sequence[Record]) -> tuple[Any, ...]:
    """Sort key: the group to show first comes first."""
    first = group[0]
    images = max(value.n for record in group for value in record.values.values())
    comparable = first.comparable and not first.partial
    other = len(other_constants(first, {}))
    worse = (not comparable, len(first.partial), len(first.deviations), first.precision != "float32", other)
    return (*worse, -len(group), -images, first.seed, conditions(first), first.run)
