"""The class sets of a data set as the target `subset:NAME` takes them, and as a job names them."""

from __future__ import annotations

from typing import Any

import torch

from cambench.lookup import canonical, find
from cambench.store.keys import job_key
from cambench.targets import ClassSets, family, find_target
from cambench.vocabulary import Dataset


def tables(target: str, dataset: Dataset) -> ClassSets | None:
    """Name of each family -> (C,C), 1 where two classes are in one set; None where the target looks at none."""
    if find_target(target)[0].name != "subset":
        return None
    return {name: together(members) for name, members in dataset.class_sets.items()}


def check_sets(target: str, dataset: Dataset) -> None:
    """Raises: UsageError naming the nearest family where `subset:NAME` names one that the data set has not."""
    entry, argument = find_target(target)
    if entry.name == "subset":
        find(family(argument)[0], {canonical(name): members for name, members in dataset.class_sets.items()}, "subset")


def numbered(members: tuple[str, ...]) -> tuple[int, ...]:
    """The set of each class as a number, in the order of their first classes: families that part them alike are equal."""
    number = {group: i for i, group in enumerate(dict.fromkeys(members))}
    return tuple(number[group] for group in members)


def together(members: tuple[str, ...]) -> torch.Tensor:
    """The set of each class -> (C,C) bool."""
    of_class = torch.tensor(numbered(members))
    return of_class[:, None] == of_class


def chosen_sets(target: str, dataset: Dataset) -> dict[str, Any]:
    """What a job says of the sets that its target looks at: a digest of who is with whom; {} where it looks at none."""
    entry, argument = find_target(target)
    if entry.name != "subset":
        return {}
    return {"class_sets": job_key(list(dataset.class_sets.get(canonical(family(argument)[0]), ())))}
