"""Classes by name: in another order, in part, and clear words where they are others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from data.miniatures import own_folder, write_csv

from cambench.data import load, reload
from cambench.data.by_name import in_order_of, matched, named_as, spellings, wrong_count
from cambench.vocabulary import Dataset, UsageError


@pytest.fixture
def own(tmp_path: Path) -> Dataset:
    """Classes ant, bee, cat, two images each."""
    return load(f"folder:{own_folder(tmp_path / 'mine')}", "eval", tmp_path)


def labels(dataset: Dataset) -> dict[str, str]:
    """Image -> the name of its class."""
    return {s.id: dataset.classes[s.label] for s in dataset.samples}


def test_another_order_is_the_runs_order(own: Dataset) -> None:
    found = matched(own, ["cat", "ant", "bee"], "run")
    assert found.classes == ("cat", "ant", "bee") and [s.label for s in found.samples] == [1, 1, 2, 2, 0, 0]
    assert labels(found) == labels(own) and found.notes == own.notes
    assert found.fingerprint != own.fingerprint
    assert matched(own, own.classes, "run") is own


def test_others_are_an_error_that_lists_both(own: Dataset) -> None:
    with pytest.raises(UsageError) as caught:
        matched(own, ["bee", "cat", "dog"], "the-run")
    assert "only in the data set: ant; only in the network: dog" in str(caught.value)
    assert "--map-classes takes those in common, by name (2)" in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(UsageError, match=r"only in the network: x0, x1, x2, x3, x4 and 3 more; choose other data"):
        matched(own, [f"x{i}" for i in range(8)], "the-run")


def test_some_in_common_are_taken_where_that_is_asked_and_a_note_says_so(own: Dataset) -> None:
    found = matched(own, ["bee", "dog", "ant"], "run", some=True)
    assert labels(found) == {k: v for k, v in labels(own).items() if v != "cat"}
    assert "2 of its 3 classes, by name, among the network's 3" in found.notes
    assert found.class_sets["all"] == ("all",) * 3
    with pytest.raises(UsageError, match="expected a class in common"):
        matched(own, ["dog"], "run", some=True)


def test_it_is_loaded_again_in_that_order(own: Dataset, tmp_path: Path) -> None:
    found = matched(own, ["bee", "dog"], "run", some=True)
    again = reload(found.origin, tmp_path)
    assert (again.fingerprint, again.classes, again.notes) == (found.fingerprint, found.classes, found.notes)


def test_several_labels_and_facts_about_classes_go_along(own: Dataset) -> None:
    several = replace(
        own,
        samples=tuple(replace(s, labels=(0, 2), label=0) for s in own.samples),
        attributes=((1.0,), (2.0,), (3.0,)),
        class_sets={"all": ("all",) * 3, "legs": ("six", "six", "four")},
    )
    found = in_order_of(several, ["cat", "bee", "ant"])
    assert {(s.label, s.labels) for s in found.samples} == {(0, (0, 2))}
    assert found.attributes == ((3.0,), (2.0,), (1.0,)) and found.class_sets["legs"] == ("four", "six", "six")
    part = in_order_of(several, ["dog", "cat"])
    assert {(s.label, s.labels) for s in part.samples} == {(1, (1,))} and part.attributes == ()
    assert part.class_sets["legs"] == ("dog alone", "four")


def test_masks_that_hold_numbers_of_classes_stay_in_their_order(own: Dataset) -> None:
    numbered = replace(own, segments="classes", samples=tuple(replace(s, segmentation=s.path) for s in own.samples))
    assert in_order_of(numbered, own.classes) is numbered
    with pytest.raises(UsageError, match="its masks hold their numbers"):
        in_order_of(numbered, ["cat", "bee", "ant"])


def test_the_networks_count_wins_and_the_error_gives_the_row(own: Dataset, tmp_path: Path) -> None:
    said = str(wrong_count(own, 1000, "net"))
    assert "expected 1000 classes, one an output of the network, got 3" in said
    assert "header `index,folder`" in said and "`0,ant`" in said and "`999,unused`" in said
    write_csv(own.root / "classes.csv", "name,index,wnid", ("", 5, "ant"), ("", 7, "bee"), ("", 950, "cat"))
    indexed = load(f"folder:{own.root}", "eval", tmp_path)
    said = str(wrong_count(indexed, 1000, "net"))
    assert "expected 1000 classes" in said and "got 951" in said and "`class 999,999,unused`" in said
    with (own.root / "classes.csv").open("a") as f:
        f.write("class 999,999,unused\n")
    assert len(load(f"folder:{own.root}", "eval", tmp_path).classes) == 1000, "the very row does it"
    assert "classes.csv" not in str(wrong_count(own, 2, "net"))


def test_the_outputs_of_a_given_network_go_by_name_however_it_is_spelled(own: Dataset, tmp_path: Path) -> None:
    """Of the folders ant, bee, cat: a name, a synonym, and another case; two outputs of one name mean none."""
    network = ["dog", "Cat", "honey bee, bee", "ANT", "dog"]
    found = named_as(own, network)
    assert found.classes == ("dog 0", "cat", "bee", "ant", "dog 4") and {s.label for s in found.samples} == {1, 2, 3}
    assert all(found.classes[s.label] == s.path.parent.name for s in found.samples)
    assert reload(found.origin, tmp_path).fingerprint == found.fingerprint
    assert named_as(own, own.classes) is own and named_as(own, ()) is own and named_as(own, ["dog", "eel"]) is own
    assert named_as(own, network[:2]) is own, "not all are known"
    part = named_as(own, network[:2], some=True)
    assert part.classes == ("dog", "cat") and {s.label for s in part.samples} == {1}
    unknown = str(wrong_count(own, 2, "net", network[:2]))
    assert "none of its outputs is called ant, bee: --map-classes takes the other 1" in unknown


def test_spellings_mean_one_output_alone() -> None:
    known = spellings(["missile", "projectile, missile", "crane", "crane", "Great white shark, white shark"])
    assert known == {"missile": 0, "projectile,-missile": 1, "projectile": 1, "great-white-shark": 4, "white-shark": 4,
                     "great-white-shark,-white-shark": 4}  # fmt: skip
    imagenet = spellings(["tench", *(f"class {k}" for k in range(1, 1000))])
    assert (imagenet["n01440764"], imagenet["n15075141"], imagenet["tench"]) == (0, 999, 0)
    assert "n01440764" not in spellings([f"class {k}" for k in range(1000)])
