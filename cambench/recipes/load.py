"""Read a training recipe: `extends` → [[when]] blocks that match → what a table recipe sets → `--set a.b=value`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from cambench.lookup import Catalogue, bare_arch, canonical, nearest
from cambench.recipes import toml
from cambench.recipes.method import FACTS, TABLES, Method
from cambench.recipes.schema import TrainingRecipe
from cambench.vocabulary import UsageError

SMALL = ("resnet8", "resnet20", "resnet18-small")
"""Architectures of our own (`models.ARCHS`), of which there are no ImageNet weights."""
HELD_OUT = "data.held_out"
"""A setting that also holds for every training that a run begins from, which must not learn what is held out."""
TASK = ("data.shots", HELD_OUT, "train.keep")
"""Keys whose other values are no departure: they say what is to be learned, as the data set does, or change no number."""
SHARED = ("input.size", "input.normalisation", "train.epochs", "train.batch_size", HELD_OUT)
"""What is set of a training also holds for the training of its trunk (`model.init = trunk:METHOD`)."""
COMMAND, TABLE = "command line", "table recipe"
"""The sources of what a person and what a table of a paper set in place of the recipe's own."""
NONE: Mapping[str, Any] = MappingProxyType({})
Values = dict[str, dict[str, Any]]


RECIPES = (file for file in (files("cambench.recipes") / "training").iterdir() if file.name.endswith(".toml"))
METHODS = Catalogue("method", Method, dict(sorted((file.name[: -len(".toml")], Method(file)) for file in RECIPES)))


def load(
    method: str,
    dataset: str,
    arch: str | None = None,
    overrides: Sequence[str] = (),
    preset: Mapping[str, Any] = NONE,
    *,
    own: Sequence[Setting] = (),
) -> TrainingRecipe:
    """The resolved recipe of a method on a data set with an architecture.

    dataset: a catalogue name, without a path. arch: None is the method's own word. preset: dotted key -> value, what a table
    recipe asks for, which is no deviation. overrides: `a.b=value`, values in TOML notation (a bare word is text), applied
    last. own: what the data set states and the network declares, in place of the recipe's.
    Raises: UsageError naming the file, the key and the nearest valid key.
    """
    method, dataset = METHODS.key(method), canonical(dataset)
    arch = arch or word(method, "arch")
    assumed: dict[str, Any] = {"task": "full", "batch_size": 0}
    for _ in range(3):  # these two facts depend on settings, and some settings depend on them
        layers = resolve(method, {"dataset": dataset, "arch": arch, **assumed})
        layers += [*beginning(arch, layers), *own]
        values, sources, deviations = settle(layers, overrides, preset)
        task = "few-shot" if values["data"].get("shots") else "full"
        resulting = {"task": task, "batch_size": values["train"].get("batch_size")}
        if resulting == assumed:
            break
        assumed = resulting
    facts = {"method": method, "dataset": dataset, "arch": arch, "sources": sources, "deviations": deviations}
    words = {name: word(method, name) for name in ("summary", "source", "objective")}
    try:
        return TrainingRecipe.model_validate({**facts, **words, **values})
    except ValidationError as e:
        raise UsageError(explain(e, f"training recipe {method}")) from e


def beginning(arch: str, layers: Sequence[Setting]) -> list[Setting]:
    """How the weights begin where a recipe asks for ImageNet's and torchvision has none for the architecture.

    A `python:` or `hf:` network brings its own, in place of random ones too; the small embedded ones begin from scratch.
    """
    init = next((value for _, key, value, _ in reversed(layers) if key == "model.init"), None)
    if arch.startswith(("python:", "hf:")) and init in ("imagenet", "scratch"):
        return [(arch, "model.init", "own", "the network's own weights, as its function or folder gives it")]
    if canonical(arch) in SMALL and init == "imagenet":
        return [(arch, "model.init", "scratch", f"our choice: there are no ImageNet weights of {canonical(arch)}")]
    return []


def settle(
    layers: Sequence[Setting], overrides: Sequence[str], preset: Mapping[str, Any]
) -> tuple[Values, dict[str, str], list[str]]:
    """The values, where each comes from, and the sentences about those that a person changed."""
    values: Values = {table: {} for table in TABLES}
    sources: dict[str, str] = {}
    for place, key, value, source in layers:
        put(values, key, value, place)
        sources[key] = source
    for key, value in preset.items():
        change(values, sources, key, value, TABLE)
    deviations = [line for text in overrides if (line := override(values, sources, text))]
    return values, sources, deviations


Setting = tuple[str, str, Any, str]
"""(file, dotted key, value, source)."""


def handed_down(
    recipe: TrainingRecipe, preset: Mapping[str, Any], overrides: Sequence[str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The settings that also hold for the run that a training begins from: `HELD_OUT`, and for a trunk `SHARED`."""
    keys = SHARED if recipe.model.fresh_head else (HELD_OUT,)
    kept = tuple(text for text in overrides if text.partition("=")[0].strip() in keys)
    return {key: value for key, value in preset.items() if key in keys}, kept


def lineage(method: str) -> list[Method]:
    """The methods of which a method is made: what the first one extends, …, the method itself.

    Raises: UsageError for one that is not there, or that comes back to itself.
    """
    line = [METHODS.find(method)]
    while "extends" in line[0].text:
        base = METHODS.find(line[0].text["extends"])
        if base in line:
            raise UsageError(f"{line[0].place}: expected to extend a method that does not extend it, got {base.name}.")
        line.insert(0, base)
    return line


def resolve(method: str, facts: dict[str, Any]) -> list[Setting]:
    """All settings of a method in the order in which they apply. Settings of one objective are nothing to another."""
    settings: list[Setting] = []
    for part in lineage(method):
        text, sources = part.text, part.text.get("sources", {})
        if settings and word(part.name, "objective") != word(text["extends"], "objective"):
            settings = [setting for setting in settings if not setting[1].startswith("objective_settings.")]
        for table in TABLES:
            for name, value in text.get(table, {}).items():
                key = f"{table}.{name}"
                settings.append((part.place, key, value, sources.get(key, sources.get(table, ""))))
        for block in text.get("when", []):
            if holds(conditions(block), facts):
                settings += [(part.place, key, value, block["source"]) for key, value in block.get("set", {}).items()]
    return settings


def conditions(block: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Fact -> the values of which it must have one, of a [[when]] block."""
    return {fact: v if isinstance(v, list) else [v] for fact, v in block.items() if fact in FACTS}


def holds(when: Mapping[str, list[Any]], facts: Mapping[str, Any]) -> bool:
    """Whether the conditions of a [[when]] block hold of the facts that are given, however an architecture is spelt."""

    def spelt(fact: str, value: Any) -> Any:
        return bare_arch(value) if fact == "arch" else value

    return all(spelt(f, facts[f]) in [spelt(f, value) for value in values] for f, values in when.items() if f in facts)


def chosen_for(method: str, dataset: str, arch: str | None, by: frozenset[str] = frozenset({"dataset"})) -> set[str]:
    """The keys that a method's recipe sets where it names the data set on an architecture (None: its own word).

    by: the facts that a block must name.
    """
    facts = {"dataset": dataset, "arch": arch or word(method, "arch")}
    blocks = ((conditions(block), block.get("set", {})) for part in lineage(method) for block in part.text.get("when", []))
    matching = (keys for when, keys in blocks if by <= when.keys() and holds(when, facts))
    return {key for keys in matching for key in keys}


def word(method: str, name: str) -> str:
    """A word of the method, or of what it extends."""
    return str(next(part.text[name] for part in reversed(lineage(method)) if name in part.text))


def put(values: Values, key: str, value: Any, place: str) -> None:
    """Set a dotted key. An unknown table is an error here, an unknown name in it when the recipe is validated."""
    table, _, name = key.partition(".")
    if table not in TABLES or not name:
        raise UsageError(f"{place}: {nearest(key, TABLES, 'key')}")
    values[table][name] = value


def override(values: Values, sources: dict[str, str], text: str) -> str | None:
    """Apply one `a.b=value`; returns the sentence that says what it departs from, None where nothing changes."""
    key, equals, written = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {text}: expected a.b=value, for example --set optimizer.lr=0.01.")
    key, source = key.strip(), sources.get(key.strip(), "")
    old, value = change(values, sources, key, toml.value(written.strip()), COMMAND)
    if value == old or key in TASK:
        return None
    return f"{key} = {json.dumps(value, default=str)} instead of {json.dumps(old)} ({source})"


def change(values: Values, sources: dict[str, str], key: str, value: Any, source: str) -> tuple[Any, Any]:
    """Give a known key another value; returns the old and the new one, a whole number as a float where the old one is.

    Raises: UsageError naming the nearest key.
    """
    known = [f"{table}.{name}" for table, entries in values.items() for name in entries]
    if key not in known:
        where = f"--set {key}" if source == COMMAND else source
        raise UsageError(f"{where}: {nearest(key, known, 'key')}")
    table, name = key.split(".")
    old = values[table][name]
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    values[table][name], sources[key] = value, source
    return old, value


def explain(error: ValidationError, place: str) -> str:
    """One line for what pydantic found: the key, what is wrong with it, what it got."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    got = "" if first["type"] == "missing" else f", got {first['input']!r}"
    return f"{place}: {key}: {first['msg'].lower()}{got}."
