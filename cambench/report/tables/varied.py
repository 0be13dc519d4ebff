"""What tells two settings of one method apart, in words: no two rows, columns or curves carry one label.

A label is the method's name, and behind it, where there are several settings of it, what differs: `cgc (epochs 6)`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from cambench.data import INDEX
from cambench.recipes.load import COMMAND, TABLE
from cambench.recipes.schema import WORDS
from cambench.report.tables.select import LAST, MEASURED_ON, TRAINED_ON, alike, data_of, recipe_of
from cambench.store.records import Record
from cambench.store.runs import Run, RunInfo

SPACE = "\N{NO-BREAK SPACE}"
"""Within what belongs together, so that a label's words can be told apart."""


def flat(recipe: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Dotted key -> value of the settings of a stored recipe."""
    settings: dict[str, Any] = {}
    for name, value in recipe.items():
        key = f"{above}{name}"
        unknown = key == f"data.{TRAINED_ON}" and value is None  # of weights that somebody gave
        if key not in WORDS and name != MEASURED_ON and not unknown:
            settings |= flat(value, f"{key}.") if isinstance(value, Mapping) else {key: value}
    return settings


def varied(recipes: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """For each stored recipe, `name value` of the settings in which they differ; none where all are equal.

    A setting that is none, and one that a recipe lacks, as weights that somebody gave lack those of a training, is said only
    where nothing else tells two recipes apart.
    """
    settings = [flat(recipe) for recipe in recipes]
    keys = list(dict.fromkeys(key for own in settings for key in own))
    differ = [key for key in keys if any(own.get(key) != settings[0].get(key) for own in settings)]
    both = [key for key in differ if len({repr(own[key]) for own in settings if key in own}) > 1]
    words = [named({key: own[key] for key in both if own.get(key) is not None}, both) for own in settings]
    told = {tuple(text): own for text, own in zip(words, settings, strict=True)}
    if all(told[tuple(text)] == own for text, own in zip(words, settings, strict=True)):
        return words
    return [named(own, differ) for own in settings]


def named(settings: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    """`name value` of those of the dotted keys that are among the settings; a name that two of the keys share is in full.

    `schedule.name` is called `schedule`.
    """
    lasts = [key.removesuffix(".name").rpartition(".")[2] for key in keys]
    names = {key: last if lasts.count(last) == 1 else key for key, last in zip(keys, lasts, strict=True)}
    return [f"{names[key].replace('_', ' ')} {value(settings[key])}" for key in keys if key in settings]


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
    later = [[more(record) for record in records] for more in (departures, measured_on, run)]
    return apart([recipe_of(record) for record in records], [conditions(record) for record in records], *later)


def apart(
    recipes: Sequence[Mapping[str, Any]], facts: Sequence[Sequence[str]], *later: Sequence[Sequence[str]]
) -> list[str]:
    """For each recipe, the settings and the facts that not all have. later: more facts, for those that are alike so far."""
    words = [", ".join([*own, *more]) for own, more in zip(varied(recipes), distinct(facts), strict=True)]
    for texts in later:
        shared = [words.count(word) > 1 for word in words]
        words = [", ".join(filter(None, [word, *(more if several else ())]))
                 for word, more, several in zip(words, distinct(texts), shared, strict=True)]  # fmt: skip
    return words


def trainings_apart(runs: Sequence[RunInfo], names: Sequence[str] = ()) -> list[str]:
    """The same for trainings, measured or not; "" for those that nothing but the run tells apart, unless runs have names."""
    parts, departed = [info.partial for info in runs], [info.deviations for info in runs]
    return apart(
        [info.training for info in runs], parts, departed, *([[[f"run {name}"] for name in names]] if names else [])
    )


def same_training(info: RunInfo) -> Hashable:
    """Everything but the seed that two runs must share to be averaged; the same facts as a record's."""
    return info.dataset, info.method, info.arch, info.comparable, info.partial, info.deviations, alike(info.training)


def runs_in_words(runs: Sequence[Run]) -> list[str]:
    """For each run what was changed in its training, and what tells it from those of its name that were changed alike."""
    changed = {run.name: changes(run.info) for run in runs}
    called: dict[Hashable, dict[Hashable, list[Run]]] = {}
    for run in runs:
        label = (run.info.kind, run.info.dataset, run.info.method, run.info.arch, *changed[run.name])
        called.setdefault(label, {}).setdefault(same_training(run.info), []).append(run)
    for trainings in called.values():
        words = trainings_apart([seeds[0].info for seeds in trainings.values()])
        for run, word in ((run, word) for seeds, word in zip(trainings.values(), words, strict=True) for run in seeds):
            changed[run.name] += [word] if word else []
    return [", ".join(changed[run.name]) for run in runs]


def changes(info: RunInfo) -> list[str]:
    """What a command or a table set in place of the recipe's own, the weights that a command named, the part of the data."""
    sources, settings = info.recipe.get("sources", {}), flat(info.recipe)
    set_keys = tuple(f"{key}." for key, source in sources.items() if source in (COMMAND, TABLE))
    words = named(settings, [key for key in settings if f"{key}.".startswith(set_keys)])
    weights = info.given or info.weights
    if weights and weights != settings.get("model.init"):  # whose weights are those of another run
        words.append(f"weights {weights}")
    entry = INDEX.built_in.get(info.dataset)
    parts = [part for part in info.partial if entry is None or part not in entry.notes]
    return [*words, *named(info.input, [*info.input]), *parts]


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
    fingerprint = data_of(record)
    return [f"data {fingerprint}"] if fingerprint else []


def run(record: Record) -> list[str]:
    """The run by its name."""
    return [f"run {record.run}"]


def labelled(label: str, words: str) -> str:
    """A label with the words that tell it from others of its name."""
    return f"{label} ({words.replace(' ', SPACE)})" if words else label
