"""UnRel: pairs of image and category from cell arrays, and the map of categories."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data.miniatures import cell_array, picture, unrel, write
from scipy.io import savemat

from cambench.data import load
from cambench.data.check import Row, check
from cambench.data.decode import load_image, orientation
from cambench.data.unrel import MAP, categories
from cambench.vocabulary import DataError


def test_a_sample_is_an_image_and_a_category(tmp_path: Path) -> None:
    root = unrel(tmp_path)
    dataset = load("unrel", "eval", tmp_path)
    assert [s.id for s in dataset.samples] == ["1.jpg#dog", "1.jpg#car", "2.jpg#shoe", "5.jpg#shoe", "5.jpg#traffic light"]
    dog, car, shoe, *_, light = dataset.samples
    assert dog.boxes == ((1, 2, 20, 25), (22, 3, 30, 9)) and dog.path == car.path == root / "images" / "1.jpg"
    assert dog.label == 151 and dog.labels == dog.right == tuple(range(151, 269))
    assert car.boxes == ((5, 6, 40, 30),) and car.labels[:3] == (407, 436, 468) and len(car.labels) == 10
    assert shoe.labels == (502, 514, 630, 770, 774) and light.labels == (920,)
    assert dataset.box_convention == "one-based" and dataset.split == "test"
    assert len(dataset.classes) == len(set(dataset.classes)) == 1000 and dataset.classes[920] == "traffic light"


def test_it_is_never_comparable_and_says_what_was_used(tmp_path: Path) -> None:
    unrel(tmp_path)
    dataset = load("unrel", "test", tmp_path)
    assert not dataset.comparable
    assert dataset.notes == (
        "the paper's category list is not recoverable; 4 of 60 categories of the default map used",
        "2 of 5 images without any of these categories are left out",
        "orientation tag ignored in 1 of 3 images: 5.jpg",
    )
    assert orientation(dataset.samples[-1].path) == 6 and load_image(dataset.samples[-1].path).size == (40, 30)


def test_the_folders_own_map_comes_first_and_is_part_of_the_identity(tmp_path: Path) -> None:
    root = unrel(tmp_path)
    before = load("unrel", "test", tmp_path)
    write(root / "categories.csv", "category,indices", "person,0 5-7", "dog,151")
    dataset = load("unrel", "test", tmp_path)
    assert [s.id for s in dataset.samples] == ["1.jpg#dog", "1.jpg#person", "4.jpg#person"]
    assert (
        dataset.samples[1].labels == (0, 5, 6, 7) and "2 of 2 categories of its folder's categories.csv" in dataset.notes[0]
    )
    narrower = tuple(replace(s, labels=s.labels[:1]) for s in before.samples)
    assert replace(before, samples=narrower).fingerprint != before.fingerprint


def test_the_default_map_is_that_of_the_spec() -> None:
    known = categories(MAP)
    assert len(set(known.values())) == 60 and known["sunglasses"] is known["glasses"]
    assert known["dog"].indices == tuple(range(151, 269)) and known["bear"].indices == (294, 295, 296, 297)
    assert known["trash can"].indices == (412,) and known["watch"].indices == (531, 826)
    assert not {"kite", "person", "skateboard", "giraffe", "tree"} & set(known)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("dog,151-150", "expected a whole number from 151 to 999, got '150'"),
        ("dog,1000", "expected a whole number from 0 to 999, got '1000'"),
        ("dog,", "expected a category that is named once, and its class indices"),
        ("cat|dog,151\ndog,3", "categories.csv:3: expected a category that is named once"),
    ],
)
def test_malformed_maps(tmp_path: Path, line: str, said: str) -> None:
    write(unrel(tmp_path) / "categories.csv", "category,indices", *line.split("\n"))
    with pytest.raises(DataError, match=said):
        load("unrel", "test", tmp_path)


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ({"category": "dog", "box": np.array([[20, 2, 10, 25]])}, r"annotations\(1\).objects\(1\): expected a box"),
        (
            {"category": "dog", "box": np.array([[20, 2, 30]])},
            r"expected a box with xmin, ymin before xmax, ymax, got \(20.0, 2.0, 30.0\)",
        ),
        ({"category": "dog"}, r"objects\(1\): expected the fields category and box"),
        ({"category": "tree", "box": np.array([[1, 2, 3, 4]])}, "expected objects of the categories in .*csv, got none"),
    ],
)
def test_malformed_annotations(tmp_path: Path, objects: dict[str, object], said: str) -> None:
    root = unrel(tmp_path)
    row = {"filename": "1.jpg", "im_id": 1, "objects": cell_array(objects)}
    savemat(root / "annotations.mat", {"annotations": cell_array(row)})
    with pytest.raises(DataError, match=said):
        load("unrel", "test", tmp_path)


def test_check_finds_strays_and_missing_images(tmp_path: Path) -> None:
    root = unrel(tmp_path)
    report = check("unrel", tmp_path)
    assert report.rows == [Row("test", 5, 1000, 6, 0)] and report.problems == []
    assert any("past the picture's edge" in note for note in report.notes)
    picture(root / "images" / "6.jpg")
    (problem,) = check("unrel", tmp_path).problems
    assert problem == f"{root}: 1 images without an annotation, first 6.jpg"
    (root / "images" / "2.jpg").unlink()
    with pytest.raises(DataError, match=r"annotations.mat: names images that are not in .*images: 2.jpg"):
        load("unrel", "test", tmp_path)
