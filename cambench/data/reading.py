"""Splits that are read once for many jobs on the same data, inside `kept` alone: no later command sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cambench.vocabulary import Dataset

Key = tuple[str, Path, str]
"""Data set, its folder, split."""
MOST = 4
SPLITS: dict[Key, Dataset] = {}
DEPTH: list[None] = []


def once(key: Key, read: Callable[[], Dataset]) -> Dataset:
    """The split as it was read; inside `kept` the last few are remembered."""
    if not DEPTH:
        return read()
    SPLITS[key] = SPLITS.pop(key) if key in SPLITS else read()
    for oldest in [*SPLITS][:-MOST]:
        del SPLITS[oldest]
    return SPLITS[key]


@contextmanager
def kept() -> Iterator[None]:
    """Inside `with`, a split is read once."""
    DEPTH.append(None)
    try:
        yield
    finally:
        DEPTH.pop()
        if not DEPTH:
            SPLITS.clear()
