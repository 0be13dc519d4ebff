"""The CUB reader on the official layout in miniature."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.miniatures import cub

from cambench.data import cub as reader
from cambench.data import load
from cambench.data.decode import above, load_regions
from cambench.vocabulary import DataError


def test_reads_labels_boxes_parts_attributes_and_masks(tmp_path: Path) -> None:
    cub(tmp_path)
    train, test = load("cub", "train", tmp_path), load("cub", "test", tmp_path)
    assert train.classes == ("Black footed Albatross", "Laysan Albatross", "Sooty Albatross")
    assert [s.label for s in train.samples] == [0, 0, 1, 1, 2, 2] == [s.label for s in test.samples]
    assert train.samples[0].id == "001.Black_footed_Albatross/Black_footed_Albatross_0000_0.jpg"
    assert test.samples[0].id.endswith("_0001_1.jpg")
    assert (train.box_convention, train.samples[3].boxes) == ("half-open", ((10.0, 5.5, 30.0, 20.0),))
    assert train.samples[0].parts == ((1, 11.5, 7.0), (2, 12.5, 8.0), (3, 13.5, 9.0))
    assert train.attributes[1] == (75.0, 50.0, 0.0, 12.5)
    assert reader.attribute_names(tmp_path / "CUB_200_2011")[1] == "has_wing_color::blue"
    segmentation = train.samples[0].segmentation
    assert segmentation is not None and above(0)(segmentation).shape == (30, 40)
    assert above(0)(segmentation).sum() == 15 * 20 and above(128)(segmentation).sum() == 5 * 10
    assert train.comparable and train.fingerprint != test.fingerprint


def test_parts_attributes_and_masks_are_optional(tmp_path: Path) -> None:
    root = cub(tmp_path)
    for name in ("parts", "attributes"):
        (root / name).rename(tmp_path / f"away {name}")
    (tmp_path / "segmentations").rename(tmp_path / "away segmentations")
    dataset = load("cub", "eval", tmp_path)
    assert dataset.split == "test" and len(dataset) == 6
    assert not any(s.parts for s in dataset.samples) and not dataset.attributes
    assert dataset.samples[0].segmentation is None
    with pytest.raises(DataError, match="expected a segmentation"):
        load_regions(dataset.samples[0], dataset.segments)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("bounding_boxes.txt", "3 10.0 5.5 20.0 14.5", "3 10.0 5.5 20.0", r"bounding_boxes.txt:3: expected 5 fields"),
        ("bounding_boxes.txt", "3 10.0 5.5 20.0", "3 10.0 5.5 -1.0", r"bounding_boxes.txt:3: expected a width"),
        ("bounding_boxes.txt", "3 10.0", "3 nan", r"bounding_boxes.txt:3: expected a finite number, got 'nan'"),
        (
            "bounding_boxes.txt",
            "3 10.0 5.5 20.0 14.5\n",
            "",
            r"bounding_boxes.txt: expected a line for each image.* got none for 3",
        ),
        ("image_class_labels.txt", "4 1", "4 9", r"image_class_labels.txt:4: expected a whole number from 1 to 3, got '9'"),
        ("image_class_labels.txt", "4 1", "3 1", r"image_class_labels.txt:4: expected each id once"),
        ("train_test_split.txt", "4 0", "4 2", r"train_test_split.txt:4: expected a whole number from 0 to 1"),
        ("train_test_split.txt", "4 0\n", "4 0\n99 1\n", r"expected ids of images.txt, got 99"),
        ("images.txt", "\n5 ", "\nfive ", r"images.txt:5: expected a whole number"),
        ("images.txt", "_footed_Albatross_0003_3.jpg", "_gone.jpg", r"names images that are not in .*images: .*_gone.jpg"),
        ("classes.txt", "3 003", "4 003", r"classes.txt: expected the class ids 1 to 3"),
        ("parts/part_locs.txt", "1 2 12.5", "1 16 12.5", r"part_locs.txt:2: expected a whole number from 1 to 15"),
        ("attributes/class_attribute_labels_continuous.txt", " 12.5\n75", "\n75", r"expected 3 rows of equal length"),
    ],
)
def test_malformed_lines_name_file_and_line(tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    root = cub(tmp_path)
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message) as caught:
        load("cub", "train", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    (cub(tmp_path) / "bounding_boxes.txt").unlink()
    with pytest.raises(DataError, match="bounding_boxes.txt: expected by the official layout"):
        load("cub", "train", tmp_path)
