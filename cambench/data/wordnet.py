"""WordNet above the 1,000 classes of ImageNet-1k, as a tree in which every node has one parent: `imagenet_tree.csv`.

Of several parents the list that comes with ImageNet names, the last one counts, which gives the numbers of classes of CALM's
Table 4 (CALM protocol §2.7). A node is named by its WordNet id; the root, `entity`, has depth 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

DEPTH = "depth-"
"""A family `depth-7` of class sets: classes are together whose paths from the root agree down to depth 7."""
DEEPEST = 16
"""One less than the greatest depth of a class, where each class is by itself."""


class Node(NamedTuple):
    """A node: its parent ("" of the root), whether CALM's Table 4 lists it as a set, its first word."""

    parent: str
    listed: bool
    name: str


@cache
def tree() -> Mapping[str, Node]:
    """WordNet id -> node, sorted."""
    text = (files("cambench.data") / "imagenet_tree.csv").read_text(encoding="utf-8")
    rows = (line.split(",", 3) for line in text.splitlines()[1:])
    return {node: Node(parent, bool(listed), name) for node, parent, listed, name in rows}


@cache
def classes() -> tuple[str, ...]:
    """The 1,000 classes of ImageNet-1k, in the order of their indices: the nodes that are nobody's parent."""
    parents = {node.parent for node in tree().values()}
    return tuple(wnid for wnid in tree() if wnid not in parents)


@cache
def path(wnid: str) -> tuple[str, ...]:
    """The nodes from the root to one, which is by itself where the tree does not have it."""
    node = tree().get(wnid)
    return (wnid,) if node is None or not node.parent else (*path(node.parent), wnid)


def superset(wnid: str) -> str:
    """CALM's superset of a class: the listed node that is closest to the root, or the class where there is none.

    Source: CALM §5.4, supplement F (CALM protocol §2.7): 116 sets and 330 single classes.
    """
    return next((node for node in path(wnid) if node in tree() and tree()[node].listed), wnid)


def families(wnids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Families of class sets, each set named by its node: CALM's `supersets`, and one for every depth of the tree.

    Source: CALM supplement H, Figure 11: maps aggregated at different depths of the hierarchy.
    """
    paths = [path(wnid) for wnid in wnids]
    depths = {f"{DEPTH}{d}": tuple(nodes[min(d, len(nodes) - 1)] for nodes in paths) for d in range(1, DEEPEST + 1)}
    return {"supersets": tuple(superset(wnid) for wnid in wnids), **depths}


def below(node: str) -> int:
    """How many of the 1,000 classes a node has below it, itself if it is one."""
    return sum(node in path(wnid) for wnid in classes())


def in_words(node: str) -> str:
    """A node by its first word; anything else as it is."""
    return tree()[node].name if node in tree() else node
