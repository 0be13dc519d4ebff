"""The tree above ImageNet's classes: its paths by hand, the supersets of CALM, a family of class sets for every depth."""

from __future__ import annotations

import csv
from collections import Counter

import pytest
from conftest import SHARED

from cambench.data import wordnet

HOUND, TENCH = "n02088094", "n01440764"


def test_the_paths_of_two_classes_by_hand() -> None:
    words = [wordnet.in_words(node) for node in wordnet.path(HOUND)]
    assert words == [
        "entity", "physical entity", "object", "whole", "living thing", "organism", "animal", "domestic animal", "dog",
        "hunting dog", "hound", "Afghan hound",
    ]  # fmt: skip
    counts = [wordnet.below(node) for node in wordnet.path(HOUND)]
    assert counts == [1000, 992, 946, 936, 407, 407, 398, 121, 116, 61, 17, 1], "CALM Figure 6: Afghan hound, dog, entity"
    assert wordnet.path("no node") == ("no node",) and wordnet.in_words("no node") == "no node"


def test_it_is_one_tree_and_its_leaves_are_the_classes_in_order() -> None:
    tree, classes = wordnet.tree(), wordnet.classes()
    assert len(tree) == 1820 and [node for node in tree if not tree[node].parent] == ["n00001740"]
    assert all(wordnet.path(node)[0] == "n00001740" for node in tree)
    assert len(classes) == 1000 and list(classes) == sorted(classes) and classes[0] == TENCH
    assert max(len(wordnet.path(wnid)) for wnid in classes) - 2 == wordnet.DEEPEST


def test_there_are_116_supersets_and_330_classes_by_themselves() -> None:
    """Counts of CALM's Table 4 that anyone can look up: 116 dogs, 52 birds, 36 reptiles (CALM protocol §2.7)."""
    sizes = Counter(wordnet.superset(wnid) for wnid in wordnet.classes())
    assert len(sizes) == 446 and sum(n == 1 for n in sizes.values()) == 330
    assert (sizes["n02084071"], sizes["n01503061"], sizes["n01661091"]) == (116, 52, 36)
    assert wordnet.families([TENCH, "n00000000"])["supersets"] == ("n01473806", "n00000000")


@pytest.mark.shared
def test_every_class_has_the_superset_of_a_second_derivation() -> None:
    with (SHARED / "paper_tables" / "calm_imagenet_superset_members.csv").open(encoding="utf-8") as file:
        theirs = {row["class_wordnet_id"]: row["superset_wordnet_id"] for row in csv.DictReader(file)}
    assert {wnid: wordnet.superset(wnid) for wnid in wordnet.classes()} == {w: s or w for w, s in theirs.items()}


def test_a_family_for_every_depth_each_a_part_of_the_one_above() -> None:
    wnids = wordnet.classes()
    families = wordnet.families(wnids)
    assert list(families) == ["supersets", *(f"depth-{d}" for d in range(1, 17))]
    assert len(set(families["depth-1"])) == 2, "physical entity, abstraction"
    hound = wnids.index(HOUND)
    assert families["depth-8"][hound] == "n02084071" and families["depth-8"].count("n02084071") == 116
    assert families["depth-11"][hound] == families["depth-16"][hound] == HOUND
    for upper, lower in zip(range(1, 16), range(2, 17), strict=True):
        above: dict[str, str] = {}
        for high, low in zip(families[f"depth-{upper}"], families[f"depth-{lower}"], strict=True):
            assert above.setdefault(low, high) == high
