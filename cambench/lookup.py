"""Name -> entry, with "did you mean" and the full list. Names are kebab-case; underscores mean the same."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from typing import TypeVar

from cambench.vocabulary import UsageError

Entry = TypeVar("Entry")


def canonical(name: str) -> str:
    """The kebab-case form of a name: `grad_cam` and `Grad-CAM` are `grad-cam`."""
    return name.strip().lower().replace("_", "-")


def nearest(name: str, names: Iterable[str], kind: str) -> str:
    """The sentence for an unknown name: what was asked, the nearest names, the whole list."""
    known = sorted(names)
    close = difflib.get_close_matches(canonical(name), known, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(known)}."


def find(name: str, index: Mapping[str, Entry], kind: str) -> Entry:
    """The entry of `index` under `name`; third parties add entries through the entry points `cambench.<kind>s`.

    Raises: UsageError naming the nearest entries and the full list.
    """
    wanted = canonical(name)
    if wanted in index:
        return index[wanted]
    for point in entry_points(group=f"cambench.{kind}s"):
        if canonical(point.name) == wanted:
            entry: Entry = point.load()
            return entry
    raise UsageError(nearest(name, index, kind))
