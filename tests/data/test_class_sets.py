"""Families of class sets: CALM's supersets, the kinds of birds, and families from a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from data.miniatures import write

from cambench.data import class_sets, load
from cambench.data.synthbirds import make
from cambench.vocabulary import DataError, Dataset, UsageError


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Six species of synthbirds: four finches and two warblers."""
    root = tmp_path_factory.mktemp("data")
    make(root / "synthbirds", classes=6, per_class=1, test_per_class=1, size=32)
    return load("synthbirds", "test", root)


def test_birds_are_one_superset_and_of_several_kinds(birds: Dataset) -> None:
    assert birds.class_sets["all"] == birds.class_sets["supersets"] == ("all",) * 6
    assert birds.class_sets["kind"] == ("Finch",) * 4 + ("Warbler",) * 2
    first = load("synthbirds", "test", birds.root.parent, classes=5)
    assert first.class_sets["kind"] == ("Finch",) * 4 + ("Warbler",)


def test_a_file_adds_a_family_of_its_name(birds: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "Colour_Sets.csv"
    write(path, "class,set", f"{birds.classes[0]},gold", "2,gold", "3,gold")
    assert class_sets.with_file(birds, path).class_sets["colour-sets"] == (
        "gold",
        f"{birds.classes[1]} alone",
        "gold",
        "gold",
        f"{birds.classes[4]} alone",
        f"{birds.classes[5]} alone",
    )
    assert "colour-sets" not in birds.class_sets


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("sets", ["klass,set", "0,a"], ":1: expected class,set, got 'klass,set'"),
        ("sets", ["class,set", "6,a"], ":2: expected a class of synthbirds or its number, got '6'"),
        ("sets", ["class,set", "0,a", "Common Finch,b"], ":3: expected each class once, got 'Common Finch'"),
        ("sets", ["class,set"], ":2: expected a class and its set, got 'nothing'"),
        ("sets", ["class,set", "0"], ":2: expected 2 fields, got '0'"),
    ],
)
def test_a_file_that_is_malformed(birds: Dataset, tmp_path: Path, name: str, text: list[str], said: str) -> None:
    path = tmp_path / f"{name}.csv"
    write(path, *text)
    with pytest.raises(DataError, match=re.escape(said)):
        class_sets.with_file(birds, path)


def test_a_name_that_is_taken(birds: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "supersets.csv"
    write(path, "class,set", "0,a")
    with pytest.raises(UsageError, match="synthbirds has class sets called supersets of its own; rename the file"):
        class_sets.with_file(birds, path)
