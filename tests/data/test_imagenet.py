"""The ImageNet reader: flat and sorted val, both box formats, every source of labels."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.miniatures import WNIDS, annotation, imagenet, imagenet_devkit, write

from cambench.data import imagenet as reader
from cambench.data import load
from cambench.vocabulary import DataError

LABELS = [1, 0, 3, 2, 1, 0, 3, 2]


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("boxes", ["xml", "csv", "val"])
@pytest.mark.parametrize("train", [True, False])
def test_every_layout_gives_the_same_val(tmp_path: Path, flat: bool, boxes: str, train: bool) -> None:
    imagenet(tmp_path, flat=flat, boxes=boxes, train=train)
    val = load("imagenet", "eval", tmp_path)
    assert [s.label for s in val.samples] == LABELS
    assert [s.id for s in val.samples] == [f"val/ILSVRC2012_val_{n + 1:08d}.JPEG" for n in range(8)]
    assert val.samples[0].boxes == ((0.0, 0.0, 20.0, 29.0), (30.0, 0.0, 39.0, 9.0))  # not that of the other class
    assert val.samples[3].boxes == ((0.0, 3.0, 20.0, 29.0),)
    assert {s.size for s in val.samples} == ({None} if boxes == "csv" else {(40, 30)})
    assert val.box_convention == "inclusive" and len(val.classes) == 4
    assert all(s.path.exists() for s in val.samples)


def test_train_is_sorted_by_wnid_in_either_packing(tmp_path: Path) -> None:
    for kaggle in (False, True):
        base = tmp_path / str(kaggle)
        imagenet(base, kaggle=kaggle)
        train = load("imagenet", "train", base)
        assert [s.label for s in train.samples] == [0, 0, 1, 1, 2, 2, 3, 3] and train.classes == WNIDS
        assert train.samples[2].id == f"train/{WNIDS[1]}/{WNIDS[1]}_0.JPEG"
        assert [s.label for s in load("imagenet", "val", base).samples] == LABELS


def test_devkit_ids_are_not_class_indices(tmp_path: Path) -> None:
    root = imagenet(tmp_path, boxes="", train=False)
    imagenet_devkit(root)
    val = load("imagenet", "val", tmp_path)
    assert [s.label for s in val.samples] == LABELS
    assert val.classes == ("tench", "goldfish", "crane (n02012849)", "crane (n03126707)")
    assert not any(s.boxes for s in val.samples)


def test_the_synset_mapping_gives_classes_that_have_no_images(tmp_path: Path) -> None:
    root = imagenet(tmp_path, train=False)
    write(root / "LOC_synset_mapping.txt", "n00000001 first, of all", *(f"{w} word{i}, more" for i, w in enumerate(WNIDS)))
    val = load("imagenet", "val", tmp_path)
    assert val.classes == ("first", "word0", "word1", "word2", "word3")
    assert [s.label for s in val.samples] == [n + 1 for n in LABELS]


def test_a_flat_val_without_labels_says_what_to_add(tmp_path: Path) -> None:
    imagenet(tmp_path, boxes="")
    with pytest.raises(DataError, match="got none for 8, first ILSVRC2012_val_00000001.JPEG; add LOC_val_solution.csv"):
        load("imagenet", "val", tmp_path)


def test_an_unlabelled_image_of_a_flat_val_is_named(tmp_path: Path) -> None:
    (imagenet(tmp_path) / "annotation" / "ILSVRC2012_val_00000004.xml").unlink()
    with pytest.raises(DataError, match="got none for 1, first ILSVRC2012_val_00000004.JPEG"):
        load("imagenet", "val", tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation><size>", r"00000002.xml:2: expected XML"),
        (
            annotation([(WNIDS[0], (0, 0, 5, 5))]).replace("<width>40", "<width>wide"),
            r"expected a whole number in size/width, got 'wide'",
        ),
        (annotation([(WNIDS[0], (6, 0, 5, 5))]), r"00000002.xml: expected a box with xmin, ymin before"),
        (annotation([("n99999999", (0, 0, 5, 5))]), r"expected one of the 4 known classes, got 'n99999999'"),
    ],
)
def test_malformed_xml(tmp_path: Path, text: str, message: str) -> None:
    root = imagenet(tmp_path)
    write(root / "annotation" / "ILSVRC2012_val_00000002.xml", text)
    with pytest.raises(DataError, match=message):
        load("imagenet", "val", tmp_path)


def test_malformed_csv_names_its_line(tmp_path: Path) -> None:
    path = imagenet(tmp_path, boxes="csv") / "LOC_val_solution.csv"
    lines = path.read_text().splitlines()
    write(path, *lines[:2], lines[2] + "n01440764 1 2", *lines[3:])
    with pytest.raises(DataError, match=r"LOC_val_solution.csv:3: expected ImageId and groups"):
        load("imagenet", "val", tmp_path)


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_subset_of_the_classes_is_ranked_anew(tmp_path: Path, split: str) -> None:
    root = imagenet(tmp_path)
    whole = reader.read(root, split)
    part = reader.read(root, split, frozenset({WNIDS[3], WNIDS[1]}))
    assert part.classes == (WNIDS[1], WNIDS[3])
    assert [(s.id, s.label) for s in part.samples] == [
        (s.id, (s.label - 1) // 2) for s in whole.samples if s.label in (1, 3)
    ]
    with pytest.raises(DataError, match="expected 2 classes, 1 are not there, first n00000009"):
        reader.read(root, split, frozenset({WNIDS[3], "n00000009"}))


def test_imagenet_100_is_cmcs_subset_in_sorted_order(tmp_path: Path) -> None:
    wnids = (Path(reader.__file__).parent / "imagenet_100.txt").read_text().split()
    assert len(wnids) == 100 and wnids == sorted(set(wnids))
    assert (wnids[0], wnids[50], wnids[99]) == ("n01558993", "n02974003", "n13040303")
    imagenet(tmp_path)
    with pytest.raises(DataError, match="expected 100 classes, 100 are not there, first n01558993"):
        load("imagenet-100", "val", tmp_path)


def test_an_image_is_difficult_where_all_boxes_of_its_class_are(tmp_path: Path) -> None:
    root = imagenet(tmp_path)
    two, other = (root / "annotation" / f"ILSVRC2012_val_0000000{n}.xml" for n in (1, 2))
    text = two.read_text()
    assert text.count("<difficult>0") == 3
    parts = text.split("<difficult>0")
    two.write_text(parts[0] + "<difficult>1" + parts[1] + "<difficult>1" + parts[2] + "<difficult>0" + parts[3])
    other.write_text(other.read_text().replace("<difficult>0", "<difficult>1"))
    assert [s.difficult for s in load("imagenet", "val", tmp_path).samples] == [False, True, *[False] * 6]
    two.write_text(text.replace("<difficult>0", "<difficult>1", 1).replace("<difficult>0", "<difficult>1", 2))
    assert [s.difficult for s in load("imagenet", "val", tmp_path).samples][:2] == [True, True]
