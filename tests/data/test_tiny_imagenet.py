"""The Tiny ImageNet reader on the official layout in miniature."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.miniatures import WNIDS, tiny_imagenet

from cambench.data import load
from cambench.vocabulary import DataError


def test_classes_are_sorted_wnids_and_names_stay_distinct(tmp_path: Path) -> None:
    tiny_imagenet(tmp_path)
    train = load("tiny-imagenet", "train", tmp_path)
    assert train.classes == ("tench", "goldfish", "crane (n02012849)", "crane (n03126707)")
    assert [s.label for s in train.samples] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert train.samples[4].id == f"train/{WNIDS[1]}/images/{WNIDS[1]}_1.JPEG"
    assert train.box_convention == "inclusive" and train.samples[4].boxes == ((1.0, 0.0, 63.0, 41.0),)
    assert train.notes == ("12 of the 100000 official train images",)


@pytest.mark.parametrize("sort_val", [False, True])
def test_val_is_the_same_flat_or_sorted(tmp_path: Path, sort_val: bool) -> None:
    root = tiny_imagenet(tmp_path, sort_val=sort_val)
    val = load("tiny_imagenet", "eval", tmp_path)
    assert [s.id for s in val.samples] == [f"val/images/val_{n}.JPEG" for n in range(8)]
    assert [s.label for s in val.samples] == [0, 1, 2, 3] * 2
    assert val.samples[5].boxes == ((5.0, 2.0, 50.0, 60.0),)
    assert val.samples[0].path == root / "val" / (f"{WNIDS[0]}/images" if sort_val else "images") / "val_0.JPEG"
    assert val.samples[0].path.exists()


def test_train_images_without_a_box_have_none(tmp_path: Path) -> None:
    root = tiny_imagenet(tmp_path)
    path = root / "train" / WNIDS[1] / f"{WNIDS[1]}_boxes.txt"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    train = load("tiny-imagenet", "train", tmp_path)
    assert [len(s.boxes) for s in train.samples] == [1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "val/val_annotations.txt",
            f"val_2.JPEG\t{WNIDS[2]}",
            "val_2.JPEG\tn99999999",
            r"val_annotations.txt:3: expected a wnid",
        ),
        ("val/val_annotations.txt", "\t2\t2\t50\t60", "\t51\t2\t50\t60", r"val_annotations.txt:3: expected a box"),
        ("val/val_annotations.txt", "\t2\t2\t50\t60", "\t2\t2\t50", r"val_annotations.txt:3: expected 6 fields"),
        ("val/val_annotations.txt", "val_2.JPEG", "val_9.JPEG", r"names 1 images that are not below .*first val_9.JPEG"),
    ],
)
def test_malformed_val(tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    path = tiny_imagenet(tmp_path) / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        load("tiny-imagenet", "val", tmp_path)


def test_a_one_pixel_box_is_a_box(tmp_path: Path) -> None:
    path = tiny_imagenet(tmp_path) / "val" / "val_annotations.txt"
    path.write_text(path.read_text().replace("\t2\t2\t50\t60", "\t50\t60\t50\t60"))
    assert load("tiny-imagenet", "val", tmp_path).samples[2].boxes == ((50.0, 60.0, 50.0, 60.0),)


def test_a_class_folder_must_be_there(tmp_path: Path) -> None:
    root = tiny_imagenet(tmp_path)
    (root / "train" / WNIDS[3]).rename(tmp_path / "away")
    with pytest.raises(DataError, match=f"{WNIDS[3]}/images: expected by the official layout"):
        load("tiny-imagenet", "train", tmp_path)
