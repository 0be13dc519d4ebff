"""The readers of Stanford Cars, FGVC-Aircraft and Oxford Flowers on their official layouts in miniature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data.miniatures import CAR_FIELDS, CAR_NAMES, aircraft, cars, cars_single, flowers, struct_array, write
from scipy.io import savemat

from cambench.data import load
from cambench.data.decode import pixels
from cambench.vocabulary import DataError


def test_cars_with_devkit(tmp_path: Path) -> None:
    cars(tmp_path)
    train, test = load("cars", "train", tmp_path), load("cars", "test", tmp_path)
    assert train.classes == CAR_NAMES and train.box_convention == "one-based"
    assert [s.label for s in train.samples] == [0, 1, 2, 0, 1, 2] and [s.label for s in test.samples] == [0, 1, 2]
    assert train.samples[2].boxes == ((1.0, 4.0, 38.0, 28.0),)
    assert (train.samples[0].id, test.samples[0].id) == ("cars_train/00001.jpg", "cars_test/00001.jpg")
    assert test.samples[0].path == tmp_path / "stanford_cars" / "cars_test" / "00001.jpg"


def test_cars_in_one_folder(tmp_path: Path) -> None:
    cars_single(tmp_path)
    train, test = load("cars", "train", tmp_path), load("cars", "test", tmp_path)
    assert [s.path.name for s in train.samples] == [f"{i:06d}.jpg" for i in (1, 2, 3, 4)]
    assert [s.label for s in test.samples] == [1, 2] and test.classes == CAR_NAMES
    assert test.samples[0].boxes == ((1.0, 6.0, 38.0, 28.0),) and test.samples[0].path.exists()


def test_cars_test_labels_are_a_file_of_their_own(tmp_path: Path) -> None:
    cars(tmp_path, labels=False)
    assert len(load("cars", "train", tmp_path)) == 6
    with pytest.raises(DataError, match=r"cars_test_annos_withlabels.mat: expected the labels of the test images"):
        load("cars", "test", tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((1, 2, 38, 28, 4, "00001.jpg"), r"annotations\(1\): expected a class from 1 to 3, got 4"),
        ((30, 2, 29, 28, 1, "00001.jpg"), r"annotations\(1\): expected a box"),
        ((1, 2, 38, 28, 1, "99999.jpg"), r"names images that are not in .*cars_train: 99999.jpg"),
    ],
)
def test_malformed_cars(tmp_path: Path, row: tuple[object, ...], message: str) -> None:
    path = cars(tmp_path) / "devkit" / "cars_train_annos.mat"
    savemat(path, {"annotations": struct_array((*CAR_FIELDS, "class", "fname"), [row])})
    with pytest.raises(DataError, match=message):
        load("cars", "train", tmp_path)


def test_a_broken_mat_file_is_named(tmp_path: Path) -> None:
    path = cars(tmp_path) / "devkit" / "cars_train_annos.mat"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"cars_train_annos.mat: expected a MATLAB file"):
        load("cars", "train", tmp_path)
    savemat(path, {"something": np.zeros(3)})
    with pytest.raises(DataError, match=r"expected the variable 'annotations', got something"):
        load("cars", "train", tmp_path)


def test_aircraft_trains_on_trainval_and_loses_its_banner(tmp_path: Path) -> None:
    aircraft(tmp_path)
    train, test = load("aircraft", "train", tmp_path), load("aircraft", "test", tmp_path)
    assert [s.id for s in train.samples] == ["0000001", "0000002", "0000003", "0000004"] and len(test) == 3
    assert train.classes == ("Boeing 707-320", "F/A-18") and [s.label for s in test.samples] == [1, 0, 1]
    assert train.box_convention == "one-based" and test.samples[0].boxes == ((1.0, 11.0, 40.0, 64.0),)
    picture = pixels(test.samples[0].path, test.banner)
    assert picture.shape == (60, 48, 3) and picture.max() < 200
    assert pixels(test.samples[0].path)[60:].min() > 200


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "images_variant_test.txt",
            "0000006 Boeing 707-320",
            "0000006 Boeing 707",
            r"images_variant_test.txt:2: expected a variant",
        ),
        ("images_variant_test.txt", "0000006", "0000099", r"images_variant_test.txt:2: expected an id with a box"),
        ("images_box.txt", "0000006 1 11", "0000006 1 eleven", r"images_box.txt:6: expected a number, got 'eleven'"),
    ],
)
def test_malformed_aircraft(tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    path = aircraft(tmp_path) / "data" / file
    write(path, *path.read_text().replace(old, new).splitlines())
    with pytest.raises(DataError, match=message):
        load("aircraft", "test", tmp_path)


def test_flowers_train_is_train_and_validation(tmp_path: Path) -> None:
    flowers(tmp_path)
    train, test = load("flowers", "train", tmp_path), load("flowers", "test", tmp_path)
    assert [s.id for s in train.samples] == [f"image_{n:05d}.jpg" for n in (5, 9, 1, 2)]
    assert [s.label for s in train.samples] == [0, 1, 2, 0]
    assert [s.label for s in test.samples] == [0, 1, 2, 1, 2] and len(test) == 5
    assert train.classes == ("flower 1", "flower 2", "flower 3") and not train.samples[0].boxes


def test_malformed_flowers(tmp_path: Path) -> None:
    root = flowers(tmp_path)
    (root / "jpg" / "image_00009.jpg").unlink()
    with pytest.raises(DataError, match=r"setid.mat: names images that are not in .*jpg: image_00009.jpg"):
        load("flowers", "train", tmp_path)
    savemat(root / "setid.mat", {"tstid": np.array([[1, 10]])})
    with pytest.raises(DataError, match=r"setid.mat: expected image numbers from 1 to 9 labels, got 1 to 10"):
        load("flowers", "test", tmp_path)
    with pytest.raises(DataError, match=r"setid.mat: expected the variable 'trnid', got tstid"):
        load("flowers", "train", tmp_path)
