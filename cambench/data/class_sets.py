"""Families of class sets: which classes count as one, so that one map may explain a whole set (target `subset:NAME`).

A family has a name and says for each class in which set it is; a class is in one set. Every data set has `all`; readers
add `supersets`, CALM's Y: all birds of CUB, the supersets of ImageNet, each class of OpenImages as a set; birds also
have a `kind`, and ImageNet's classes sets at every depth of WordNet (`data/wordnet.py`). Further families come from a
file, `--class-sets FILE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cambench.data import readers
from cambench.lookup import canonical
from cambench.vocabulary import Dataset, UsageError

ALL, SUPERSETS, KIND = "all", "supersets", "kind"
HEADER = ["class", "set"]


def one_set(classes: Sequence[str]) -> tuple[str, ...]:
    """Every class in one set."""
    return (ALL,) * len(classes)


def of_birds(classes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """CALM's superset of birds, all of them, and their kinds: the last word of a class's name, as in "Song Sparrow"."""
    return {SUPERSETS: one_set(classes), KIND: tuple(name.split(" ")[-1] for name in classes)}


def with_file(dataset: Dataset, path: Path) -> Dataset:
    """The data set with one more family, named as the file: lines `class,set` below that header.

    A class is given by its name or its number from 0; one that the file does not name is a set of one.
    Raises: DataError naming the line that is malformed, or a class twice; UsageError for a name that is taken.
    """
    name = canonical(path.stem)
    if name in dataset.class_sets:
        raise UsageError(f"--class-sets {path}: {dataset.name} has class sets called {name} of its own; rename the file.")
    number = {**{str(i): i for i in range(len(dataset.classes))}, **{c: i for i, c in enumerate(dataset.classes)}}
    set_of: dict[int, str] = {}
    for line, (key, group) in readers.table(path, 2, separator=","):
        if line == 1:
            if [key, group] != HEADER:
                raise readers.malformed(path, line, ",".join(HEADER), f"{key},{group}")
            continue
        if key not in number or number[key] in set_of:
            expected = "each class once" if key in number else f"a class of {dataset.name} or its number"
            raise readers.malformed(path, line, expected, key)
        set_of[number[key]] = group
    if not set_of:
        raise readers.malformed(path, 2, "a class and its set", "nothing")
    members = tuple(set_of.get(i, f"{c} alone") for i, c in enumerate(dataset.classes))
    return replace(dataset, class_sets={**dataset.class_sets, name: members})
