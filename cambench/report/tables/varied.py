"""What tells two settings of one method apart, in words: no two rows, columns or curves carry one label.

A label is the method's name, and behind it, where there are several settings of it, what differs: `cgc (epochs 6)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cambench.recipes.schema import WORDS
from cambench.report.tables.select import LAST, MEASURED_ON, recipe_of, setting
from cambench.store.records import Record

SPACE = "\N{NO-BREAK SPACE}"
"""Within what belongs together, so that a label's words can be told apart."""


def flat(recipe: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Dotted key -> value of the settings of a stored recipe."""
    settings: dict[str, Any] = {}
    for name, value in recipe.items():
        key = f"{above}{name}"
        if key not in WORDS and name != MEASURED_ON:
            settings |= flat(value, f"{key}.") if isinstance(value, Mapping) else {key: value}
    return settings


def varied(recipes: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """For each stored recipe, `name value` of the settings in which they differ; none where all are equal."""
    settings = [flat(recipe) for recipe in recipes]
    keys = list(dict.fromkeys(key for own in settings for key in own))
    differ = [key for key in keys if any(own.get(key) != settings[0].get(key) for own in settings)]
    lasts = [key.rpartition(".")[2] for key in differ]
    names = {key: last if lasts.count(last) == 1 else key for key, last in zip(differ, lasts, strict=True)}
    return [[f"{names[key].replace('_', ' ')} {value(own[key])}" for key in differ if key in own] for own in settings]


def value(given: Any) -> str:
    """A setting's value as a person writes it."""
    if isinstance(given, bool) or given is None:
        return {True: "yes", False: "no", None: "none"}[given]
    if isinstance(given, list | tuple):
        return ",".join(map(value, given)) or "none"
    return f"{given:g}" if isinstance(given, float) else str(given) or "none"


def told_apart(records: Sequence[Record]) -> list[str]:
    """For each record that would carry one label, the words that tell it from the others; "" for a single one.

    Its settings, the epoch of its weights, its precision, its layer, the part of the data; where all of that is alike, its
    departures from the recipe; then the data it was measured on; then its run.
    """
    words = [", ".join(own) for own in varied([recipe_of(record) for record in records])]
    for more in (conditions, departures, measured_on, run):
        alike = [words.count(word) > 1 for word in words]
        own = distinct([more(record) for record in records])
        if more is conditions or any(alike):
            words = [", ".join(filter(None, [w, *(o if same or more is conditions else ())]))
                     for w, o, same in zip(words, own, alike, strict=True)]  # fmt: skip
    return words


def distinct(texts: Sequence[Sequence[str]]) -> list[list[str]]:
    """The texts of each that not all have."""
    shared = set.intersection(*map(set, texts)) if texts else set()
    return [[text for text in own if text not in shared] for own in texts]


def conditions(record: Record) -> list[str]:
    """What sets a record's number apart besides the settings of its training."""
    epoch = [] if record.checkpoint == LAST else [f"{record.checkpoint} epoch"]
    rounded = [] if record.precision == "float32" else [record.precision]
    return [*epoch, *rounded, *([record.layer] if record.layer else []), *record.partial]


def departures(record: Record) -> list[str]:
    """What the run does otherwise than its recipe."""
    return list(record.deviations)


def measured_on(record: Record) -> list[str]:
    """The data that the record was measured on."""
    fingerprint = setting(record, f"data.{MEASURED_ON}")
    return [f"data {fingerprint}"] if fingerprint else []


def run(record: Record) -> list[str]:
    """The run by its name."""
    return [f"run {record.run}"]


def labelled(label: str, words: str) -> str:
    """A label with the words that tell it from others of its name."""
    return f"{label} ({words.replace(' ', SPACE)})" if words else label
