"""The classes of a set that a paper lists, counted in the package's own list, `data/imagenet_supersets.csv`."""

from __future__ import annotations

from cambench.data.class_sets import wordnet
from cambench.report.tables.model import Measured


def counted(name: str) -> Measured:
    """How many classes the list puts into a set, 0 where it puts them all into another; no seeds, no spread."""
    count = float(sum(group == name for group in wordnet().values()))
    return Measured(mean=count, values=(count,), seeds=(), images=())


def sets_and_classes() -> str:
    """How many sets the list has, and how many classes are none but their own."""
    groups = wordnet()
    alone = sum(wnid == group for wnid, group in groups.items())
    sets = len(set(groups.values())) - alone
    return (
        f"Our own list puts {len(groups) - alone:,} of ImageNet's {len(groups):,} classes into {sets} sets; "
        f"the other {alone} are sets by themselves."
    )
