"""The classes of a set that a paper lists, counted in WordNet's tree above ImageNet's classes, `data/imagenet_tree.csv`."""

from __future__ import annotations

from cambench.data import wordnet
from cambench.report.tables.model import Measured


def counted(name: str) -> Measured:
    """How many classes the tree has below a node; no seeds, no spread."""
    count = float(wordnet.below(name))
    return Measured(mean=count, values=(count,), seeds=(), images=())


def sets_and_classes() -> str:
    """How many supersets there are, and how many classes are in none but their own."""
    groups = {wnid: wordnet.superset(wnid) for wnid in wordnet.classes()}
    alone = sum(wnid == group for wnid, group in groups.items())
    sets = len(set(groups.values())) - alone
    return (
        f"Our own list puts {len(groups) - alone:,} of ImageNet's {len(groups):,} classes into {sets} sets; "
        f"the other {alone} are sets by themselves."
    )
