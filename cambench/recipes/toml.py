"""TOML as people write it: recipes of methods and tables, claims, values of settings."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from cambench.vocabulary import UsageError

INVALID = (tomllib.TOMLDecodeError, RecursionError)
"""What Python's parser raises, the latter for brackets in brackets."""


def text_of(path: Traversable | Path, place: str) -> str:
    """The text of a file. place: the file, for messages. Raises: UsageError for one that cannot be read or is no UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"{place}: expected a file of UTF-8 text, got {e}.") from e


def contents(text: str, place: str) -> dict[str, Any]:
    """What a text says. Raises: UsageError for one that is no TOML."""
    try:
        return tomllib.loads(text)
    except INVALID as e:
        raise UsageError(f"{place}: not valid TOML: {e}.") from e


def value(text: str) -> Any:
    """A single value; a bare word is text."""
    try:
        values = tomllib.loads(f"v = {text}")
    except INVALID:
        return text
    return values["v"] if len(values) == 1 else text


def written(value: Any) -> str:
    """A value in TOML notation; JSON's is the same but for tables."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {written(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)
