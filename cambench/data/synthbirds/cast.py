"""Which classes a set has, how many images each, and which birds are in a picture: one small answer a kind of set.

`species`: a class is a species, one bird a picture. `binary`: a class is a family with a shape (legs, bill, tail) and eight
plumages of its own, 40 to 60 images. `multilabel`: a class is a genus, two or three birds of different classes a picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from cambench.data.synthbirds.attributes import Species
from cambench.data.synthbirds.species import LIMIT, species

SPECIES, BINARY, MULTILABEL = "species", "binary", "multilabel"
GENUS = 4
"""Species a genus; the first one is its base."""
PLUMAGES = 8
"""Species whose colours a family takes, none in common: resnet8 does not learn the shapes alone from 300 images."""


@dataclass(frozen=True)
class Family:
    """What the birds of one class of the binary set have in common, and its share of the images."""

    name: str
    long_legs: bool
    bills: tuple[str, ...]
    tails: tuple[str, ...]
    share: float


FAMILIES = (
    Family("Wader", True, ("dagger", "needle", "curved_(up_or_down)"), ("squared", "rounded"), 0.4),
    Family("Songbird", False, ("cone", "hooked", "all-purpose"), ("pointed", "forked", "fan-shaped"), 0.6),
)
MOST = {SPECIES: LIMIT, BINARY: len(FAMILIES), MULTILABEL: LIMIT // GENUS}
FEWEST = {SPECIES: 2, BINARY: len(FAMILIES), MULTILABEL: 3}
"""Kind -> the number of classes that it can have at most and at least."""


def classes(kind: str, count: int) -> tuple[str, ...]:
    """The names of the first `count` classes."""
    if kind == BINARY:
        return tuple(family.name for family in FAMILIES)
    return tuple(bird.name for bird in birds(kind, count))


@cache
def birds(kind: str, count: int) -> tuple[Species, ...]:
    """The species that are the classes: all, or the base of each genus."""
    return species(count) if kind == SPECIES else species(LIMIT)[::GENUS][:count]


def images(kind: str, label: int, per_class: int) -> int:
    """How many images a class has, where there are `per_class` on the average."""
    return per_class if kind != BINARY else max(1, round(per_class * len(FAMILIES) * FAMILIES[label].share))


def members(kind: str, label: int, count: int, rng: np.random.Generator) -> tuple[tuple[int, Species], ...]:
    """Class and species of each bird of a picture; that of `label` comes first."""
    if kind == BINARY:
        return ((label, of_family(FAMILIES[label], rng)),)
    every = birds(kind, count)
    others: list[int] = []
    if kind == MULTILABEL:
        order = np.argsort(rng.random(count), kind="stable")
        others = [int(i) for i in order if i != label][: 1 + int(rng.random() < 0.5)]
    return tuple((k, every[k]) for k in (label, *others))


def plumages(family: Family) -> tuple[Species, ...]:
    """The species whose colours the birds of a family have: two whole genera, other ones for the other family."""
    return birds(SPECIES, LIMIT)[FAMILIES.index(family) * PLUMAGES :][:PLUMAGES]


def of_family(family: Family, rng: np.random.Generator) -> Species:
    """A bird with the shape of the family and the colours of one of its species."""
    colors = plumages(family)[int(rng.integers(PLUMAGES))]
    bill, tail = (str(shapes[int(rng.integers(len(shapes)))]) for shapes in (family.bills, family.tails))
    return replace(
        colors,
        name=family.name,
        head=replace(colors.head, bill_shape=bill),
        tail=replace(colors.tail, shape=tail),
        leg=replace(colors.leg, long=family.long_legs),
    )
