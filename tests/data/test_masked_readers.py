"""The readers of Food-101, Oxford-IIIT Pets and SBD on their official layouts in miniature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data.masked_miniatures import food101, pets, save_sbd, sbd
from data.miniatures import write
from scipy.io import savemat

from cambench.data import decode, describe, load, regions
from cambench.data.check import Row, check
from cambench.vocabulary import DataError


def test_food_in_the_order_of_its_list(tmp_path: Path) -> None:
    root = food101(tmp_path)
    train, test = load("food-101", "train", tmp_path), load("food-101", "eval", tmp_path)
    assert train.classes == ("apple pie", "baby back ribs", "baklava")
    assert [s.id for s in train.samples][:3] == ["baklava/100", "baklava/101", "baby_back_ribs/100"]
    assert [s.label for s in train.samples] == [2, 2, 1, 1, 0, 0] and [s.label for s in test.samples] == [0, 1, 2]
    assert test.samples[2].path == root / "images" / "baklava" / "7.jpg"
    assert check("food-101", tmp_path).rows == [Row("train", 6, 3, 0, 0), Row("test", 3, 3, 0, 0)]
    assert check("food-101", tmp_path).problems == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("apple_tart/7", r"test.txt:1: expected <class of classes.txt>/<number>, got 'apple_tart/7'"),
        ("apple_pie", r"test.txt:1: expected <class of classes.txt>/<number>, got 'apple_pie'"),
        ("apple_pie/8", r"test.txt: names images that are not in .*images: apple_pie/8.jpg"),
    ],
)
def test_malformed_food(tmp_path: Path, line: str, message: str) -> None:
    write(food101(tmp_path) / "meta" / "test.txt", line)
    with pytest.raises(DataError, match=message):
        load("food-101", "test", tmp_path)


def test_pets_are_those_of_the_lists(tmp_path: Path) -> None:
    pets(tmp_path)
    train, test = load("pets", "train", tmp_path), load("pets", "test", tmp_path)
    assert train.classes == test.classes == ("Abyssinian", "great pyrenees", "Ragdoll")
    assert [s.id for s in train.samples][:3] == ["Abyssinian_1", "Abyssinian_20", "great_pyrenees_1"]
    assert [s.label for s in train.samples] == [0, 0, 1, 1, 2, 2] and [s.label for s in test.samples] == [0, 1, 2]
    assert not any(s.boxes for s in train.samples)
    found = regions.load_regions(test, 2, "segmentation")
    expected = np.full((30, 40), -1)
    expected[5:20, 8:24] = 2  # pet and border
    assert (found == expected).all()


def test_pets_as_cats_and_dogs(tmp_path: Path) -> None:
    pets(tmp_path)
    train, breeds = load("pets-binary", "train", tmp_path), load("pets", "train", tmp_path)
    assert train.name == "pets-binary" and train.classes == ("cat", "dog") and train.segments == "trimap"
    assert [s.label for s in train.samples] == [0, 0, 1, 1, 0, 0]
    assert [s.segmentation for s in train.samples] == [s.segmentation for s in breeds.samples]
    assert set(np.unique(regions.load_regions(train, 2, "segmentation"))) == {-1, 1}
    assert "6 of the 3680 official train images" in train.notes


@pytest.mark.parametrize("name", ["pets", "pets-binary"])
def test_strays_among_the_pets_are_no_problem_and_another_format_is_read(tmp_path: Path, name: str) -> None:
    pets(tmp_path)
    report = check(name, tmp_path)
    assert (
        report.problems == [] and [r.images for r in report.rows] == [6, 3] and [r.unreadable for r in report.rows] == [0, 0]
    )
    assert not any("segmentation" in note for note in report.notes)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Ragdoll_3 3 1", r"test.txt:1: expected 4 fields"),
        ("Ragdoll_3 3 4 1", r"test.txt:1: expected the species 1 \(cat\) or 2 \(dog\), got '4'"),
        ("Ragdoll_3 0 1 1", r"test.txt:1: expected a whole number from 1"),
        ("Ragdoll_3 1 1 1", r"test.txt:1: expected the breed Abyssinian \(cat\) of class 1, got 'Ragdoll \(cat\)'"),
        ("Ragdoll_3 3 2 1", r"test.txt:1: expected the breed Ragdoll \(cat\) of class 3, got 'Ragdoll \(dog\)'"),
        ("Ragdoll_4 3 1 1", r"test.txt: names images that are not in .*images: Ragdoll_4.jpg"),
        ("Persian_4 5 1 1", r"annotations: expected images of class 4, got none"),
        ("# nothing", r"test.txt: expected lines of images, got none"),
    ],
)
def test_malformed_pets(tmp_path: Path, line: str, message: str) -> None:
    write(pets(tmp_path) / "annotations" / "test.txt", line)
    with pytest.raises(DataError, match=message):
        load("pets", "test", tmp_path)


def test_sbd_labels_are_the_classes_that_its_segmentations_show(tmp_path: Path) -> None:
    sbd(tmp_path)
    train, val = load("sbd", "train", tmp_path), load("sbd", "val", tmp_path)
    assert (
        train.multilabel and len(train.classes) == 20 and train.classes[14] == "person" and train.classes[0] == "aeroplane"
    )
    assert [(s.id, s.label, s.labels) for s in train.samples] == [
        ("2008_000002", 19, (19,)),
        ("2008_000003", 14, (14, 18)),
    ]
    assert "1 of 3 images that show none of the 20 classes are left out" in train.notes
    assert [s.labels for s in val.samples] == [(12, 14)] and not any("left out" in note for note in val.notes)
    assert describe(val)["empty classes"] == 18
    found = regions.load_regions(val, 0, "segmentation")
    expected = np.full((30, 40), -1)
    expected[4:12, 5:25], expected[16:24, 5:25] = 12, 14
    assert (found == expected).all() and found.dtype == np.int16


def test_sbd_is_whole_and_its_first_classes_keep_their_labels_alone(tmp_path: Path) -> None:
    sbd(tmp_path)
    report = check("sbd", tmp_path)
    assert report.problems == [] and report.rows == [Row("train", 2, 20, 0, 0), Row("val", 1, 20, 0, 0)]
    assert [s.labels for s in load("sbd", "val", tmp_path, classes=13).samples] == [(12,)]
    assert [s.labels for s in load("sbd", "train", tmp_path, classes=19).samples] == [(14, 18)]


def test_malformed_sbd(tmp_path: Path) -> None:
    root = sbd(tmp_path)
    path = root / "cls" / "2008_000008.mat"
    save_sbd(path, np.full((30, 40), 21, np.uint8))
    with pytest.raises(DataError, match=r"2008_000008.mat: expected GTcls.Segmentation to be a map .* up to 21"):
        load("sbd", "val", tmp_path)
    savemat(path, {"GTinst": {"Segmentation": np.zeros((30, 40), np.uint8)}})
    with pytest.raises(DataError, match=r"expected the variable 'GTcls', got GTinst"):
        load("sbd", "val", tmp_path)
    savemat(path, {"GTcls": {"Boundaries": 1}})
    with pytest.raises(DataError, match=r"GTcls\(1\): expected the fields Segmentation"):
        load("sbd", "val", tmp_path)
    save_sbd(path, np.zeros((30, 40), np.uint8))
    with pytest.raises(DataError, match=r"val.txt: expected images that show a class, got none of 1"):
        load("sbd", "val", tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"2008_000008.mat: expected by the official layout, found nothing there"):
        load("sbd", "val", tmp_path)
    write(root / "val.txt", "2008_999999")
    with pytest.raises(DataError, match=r"val.txt: names images that are not in .*img: 2008_999999.jpg"):
        load("sbd", "val", tmp_path)


def test_odd_segmentations_are_counted(tmp_path: Path) -> None:
    root = sbd(tmp_path)
    dataset = load("sbd", "val", tmp_path)
    save_sbd(root / "cls" / "2008_000008.mat", np.zeros((30, 40), np.uint8))
    assert (decode.load_regions(dataset.samples[0], "sbd") == -1).all()
    from cambench.data.check import segmentation_fault

    (sample,) = dataset.samples
    assert segmentation_fault(dataset, sample, (30, 40)) == "images whose segmentation is empty"
    assert segmentation_fault(dataset, sample, (40, 30)) == "images whose segmentation has another size"
    save_sbd(root / "cls" / "2008_000008.mat", np.full((30, 40), 3, np.uint8))
    assert segmentation_fault(dataset, sample, (30, 40)).endswith("shows other classes than their labels")
