"""A training method: its recipe as written, and the objective that it brings along."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.resources.abc import Traversable
from pathlib import PurePath
from typing import Any

from cambench.lookup import nearest
from cambench.recipes import toml
from cambench.vocabulary import UsageError

TABLES = ("model", "data", "input", "train", "optimizer", "schedule", "objective_settings")
WORDS = ("summary", "source", "objective", "arch")
"""What a method says of itself, or has from the one that it extends."""
FACTS = ("dataset", "arch", "task", "batch_size")
"""On what a [[when]] block may depend."""
SEARCH = "search"
"""What `cambench search` draws, and from which ranges (`recipes/ranges.py`); in a [[when]] block as well."""


@dataclass(frozen=True)
class Method:
    """One method.

    recipe: its TOML file. objective: an `objectives.Objective` of the method's own name, where its recipe names none that
    is built in.
    Raises: UsageError for a file that is not there or no TOML, an unknown or missing key, a setting without a source.
    """

    recipe: Traversable
    objective: object | None = None
    name: str = ""

    def __post_init__(self) -> None:
        own = () if "extends" in self.text else WORDS
        self._check("", self.text, (*TABLES, *WORDS, SEARCH, "extends", "sources", "when"), own)
        for block in self.text.get("when", ()):
            needed = ("source",) if SEARCH in block else ("set", "source")
            self._check(", [[when]]", block, (*FACTS, "set", SEARCH, "source"), needed)
        sources = self.text.get("sources", {})
        for key in (f"{table}.{key}" for table in (*TABLES, SEARCH) for key in self.text.get(table, {})):
            if not {key, key.partition(".")[0]} & set(sources):
                raise UsageError(f"{self.place}, [sources]: expected where {key} is from, got nothing; say it.")

    def _check(self, where: str, text: Iterable[str], known: Iterable[str], needed: Iterable[str]) -> None:
        """Raises: UsageError for an unknown key or one that is not there."""
        if unknown := set(text) - set(known):
            raise UsageError(f"{self.place}{where}: {nearest(min(unknown), known, 'key')}")
        if missing := set(needed) - set(text):
            raise UsageError(f"{self.place}{where}: expected the key {min(missing)}, got none.")

    @cached_property
    def place(self) -> str:
        """The file, for messages: `training/cgc.toml`."""
        return "/".join(PurePath(str(self.recipe)).parts[-2:])

    @cached_property
    def text(self) -> dict[str, Any]:
        """The recipe as written."""
        return toml.contents(toml.text_of(self.recipe, self.place), self.place)
