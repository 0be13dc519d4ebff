"""Pickles of plain values. A pickle may name any function to be called on loading: here only containers are let through."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, NoReturn

from cambench.data import readers
from cambench.vocabulary import DataError

CONTAINERS = {
    ("builtins", "dict"), ("builtins", "frozenset"), ("builtins", "list"), ("builtins", "set"),
    ("collections", "OrderedDict"), ("collections", "defaultdict"),
}  # fmt: skip
"""The names that a pickle may look up. Numbers, texts, lists, tuples and dicts need none."""


class _Plain(pickle.Unpickler):
    """Refuses every name but those of containers, before anything of it is imported."""

    def find_class(self, module: str, name: str) -> Any:
        """The container of that name."""
        plain = module.replace("__builtin__", "builtins")  # Python 2's name
        if (plain, name) not in CONTAINERS:
            raise pickle.UnpicklingError(f"the name {module}.{name}, which could run code")
        return super().find_class(plain, name)

    def persistent_load(self, pid: Any) -> NoReturn:
        """Nothing: such values lie outside the file."""
        raise pickle.UnpicklingError("a reference to another file")


def load(path: Path) -> Any:
    """The value of a pickle file that holds nothing but numbers, texts and containers.

    Raises: DataError if it is missing, broken, or names anything else.
    """
    with readers.need(path).open("rb") as file:
        try:
            return _Plain(file).load()
        except Exception as e:  # a broken pickle raises nearly anything
            reason = str(e) or type(e).__name__
            raise DataError(
                f"{path}: expected a pickle of plain numbers, texts and containers, got {reason}; {readers.AGAIN}."
            ) from e
