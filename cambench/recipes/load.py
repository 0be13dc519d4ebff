"""Read a training recipe: `extends` → [[when]] blocks that match data set and architecture → `--set a.b=value`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from pydantic import ValidationError

from cambench.lookup import canonical, find, nearest
from cambench.recipes.schema import TrainingRecipe
from cambench.vocabulary import UsageError

TABLES = ("model", "input", "train", "optimizer", "schedule", "objective_settings")
WORDS = ("summary", "source", "objective", "extends")
DEFAULT_ARCH = {"synthbirds": "resnet8", "tiny-imagenet": "resnet18"}


def methods() -> dict[str, dict[str, Any]]:
    """Every method's recipe as written: name -> TOML."""
    folder = files("cambench.recipes") / "training"
    paths = sorted((p for p in folder.iterdir() if p.name.endswith(".toml")), key=lambda p: p.name)
    return {p.name.removesuffix(".toml"): tomllib.loads(p.read_text(encoding="utf-8")) for p in paths}


def load(method: str, dataset: str, arch: str | None = None, overrides: Sequence[str] = ()) -> TrainingRecipe:
    """The resolved recipe of a method on a data set with an architecture.

    dataset: a catalogue name, without a path. overrides: `a.b=value`, values in TOML notation (a bare word is text).
    Raises: UsageError naming the file, the key and the nearest valid key.
    """
    written = methods()
    find(method, written, "method")
    method, dataset = canonical(method), canonical(dataset)
    arch = arch or DEFAULT_ARCH.get(dataset, "resnet50")
    layers = resolve(method, written, {"dataset": dataset, "arch": arch})
    values: dict[str, Any] = {table: {} for table in TABLES}
    sources: dict[str, str] = {}
    for place, key, value, source in layers:
        put(values, key, value, place)
        sources[key] = source
    deviations = [said for text in overrides if (said := override(values, sources, text))]
    facts = {"method": method, "dataset": dataset, "arch": arch, "sources": sources, "deviations": deviations}
    words = {name: word(method, written, name) for name in ("summary", "source", "objective")}
    try:
        return TrainingRecipe.model_validate({**facts, **words, **values})
    except ValidationError as e:
        raise UsageError(explain(e, f"training recipe {method}")) from e


Setting = tuple[str, str, Any, str]
"""(file, dotted key, value, source)."""


def resolve(method: str, written: dict[str, dict[str, Any]], facts: dict[str, str]) -> list[Setting]:
    """All settings of a method in the order in which they apply."""
    text, place = written[method], f"training/{method}.toml"
    settings = resolve(text["extends"], written, facts) if "extends" in text else []
    unknown = set(text) - {*TABLES, *WORDS, "sources", "when"}
    if unknown:
        raise UsageError(f"{place}: {nearest(min(unknown), (*TABLES, *WORDS, 'sources', 'when'), 'key')}")
    for table in TABLES:
        for name, value in text.get(table, {}).items():
            key = f"{table}.{name}"
            settings.append((place, key, value, text["sources"].get(key, text["sources"].get(table, ""))))
    for block in text.get("when", []):
        wanted = {k: [v] if isinstance(v, str) else v for k, v in block.items() if k in facts}
        if all(facts[k] in v for k, v in wanted.items()):
            settings += [(place, key, value, block["source"]) for key, value in block["set"].items()]
    return settings


def word(method: str, written: dict[str, dict[str, Any]], name: str) -> str:
    """A word of the method, or of what it extends."""
    text = written[method]
    return str(text[name]) if name in text else word(text["extends"], written, name)


def put(values: dict[str, Any], key: str, value: Any, place: str) -> None:
    """Set a dotted key. An unknown table is an error here, an unknown name in it when the recipe is validated."""
    table, _, name = key.partition(".")
    if table not in TABLES or not name:
        raise UsageError(f"{place}: {nearest(key, TABLES, 'key')}")
    values[table][name] = value


def override(values: dict[str, Any], sources: dict[str, str], text: str) -> str | None:
    """Apply one `a.b=value`; returns the sentence that says what it departs from, None where nothing changes."""
    key, equals, written = text.partition("=")
    key = key.strip()
    known = [f"{table}.{name}" for table, entries in values.items() for name in entries]
    if not equals:
        raise UsageError(f"--set {text}: expected a.b=value, for example --set optimizer.lr=0.01.")
    if key not in known:
        raise UsageError(f"--set {text}: {nearest(key, known, 'key')}")
    table, name = key.split(".")
    old, value = values[table][name], parse(written.strip())
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    values[table][name] = value
    source, sources[key] = sources[key], "command line"
    return None if value == old else f"{key} = {json.dumps(value)} instead of {json.dumps(old)} ({source})"


def parse(text: str) -> Any:
    """A TOML value; a bare word is text."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def explain(error: ValidationError, place: str) -> str:
    """One line for what pydantic found: the key, what is wrong with it, what it got."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    got = "" if first["type"] == "missing" else f", got {first['input']!r}"
    return f"{place}: {key}: {first['msg'].lower()}{got}."
