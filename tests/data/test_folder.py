"""folder:PATH: classes by folder or classes.csv, parts, boxes.csv, and errors that name their line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from data.miniatures import own_folder, picture, write_csv

from cambench.data import load, splits
from cambench.data.check import check
from cambench.vocabulary import DataError, UsageError


def test_sorted_folders_are_the_classes(tmp_path: Path) -> None:
    name = f"folder:{own_folder(tmp_path / 'mine')}"
    picture(tmp_path / "mine" / "cat" / "deeper" / "x.png")
    (tmp_path / "mine" / ".hidden").mkdir()
    dataset = load(name, "eval", tmp_path)
    assert dataset.split == "all" and dataset.classes == ("ant", "bee", "cat") and dataset.comparable
    assert [s.id for s in dataset.samples][-3:] == ["cat/0.png", "cat/1.png", "cat/deeper/x.png"]
    assert [s.label for s in dataset.samples] == [0, 0, 1, 1, 2, 2, 2]
    with pytest.raises(UsageError, match="expected split all or eval, got 'train'"):
        load(name, "train", tmp_path)


def test_parts_share_the_classes_of_train(tmp_path: Path) -> None:
    name = f"folder:{own_folder(tmp_path / 'mine', parts=('train', 'val', 'test'))}"
    assert splits(name, tmp_path) == ("train", "val", "test") and load(name, "eval", tmp_path).split == "test"
    assert load(name, "val", tmp_path).samples[0].id == "val/ant/0.png"
    picture(tmp_path / "mine" / "val" / "dog" / "x.png")
    with pytest.raises(DataError, match="val/dog: expected a class folder that train/ has"):
        load(name, "val", tmp_path)


def test_a_folder_called_train_alone_is_a_class(tmp_path: Path) -> None:
    picture(tmp_path / "mine" / "train" / "x.png")
    assert load(f"folder:{tmp_path / 'mine'}", "eval", tmp_path).classes == ("train",)


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("index,wnid,name", [(5, "ant", "crane"), (2, "bee", "crane"), (0, "cat", "tom, the cat"), (3, "gone", "gone")]),
        ("name,folder,index", [("crane", "ant", 5), ("crane", "bee", 2), ("tom, the cat", "cat", 0), ("gone", "gone", 3)]),
        ("dir,index,name", [("ant", 5, "crane"), ("bee", 2, "crane"), ("cat", 0, "tom, the cat"), ("gone", 3, "gone")]),
    ],
)
def test_classes_csv_sets_the_index(tmp_path: Path, header: str, rows: list[tuple[object, ...]]) -> None:
    root = own_folder(tmp_path / "mine")
    write_csv(root / "classes.csv", header, *rows)
    dataset = load(f"folder:{root}", "eval", tmp_path)
    assert dataset.classes == ("tom, the cat", "class 1", "crane (bee)", "gone", "class 4", "crane (ant)")
    assert [s.label for s in dataset.samples] == [5, 5, 2, 2, 0, 0]


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("wnid,name", [("ant", "a")], r"classes.csv:1: expected a header with index"),
        ("index,name", [(0, "a")], r"classes.csv:1: expected a column folder or wnid"),
        ("index,wnid", [], r"classes.csv:1: expected a header with index and rows below it"),
        ("index,wnid", [(0, "ant"), ("", "bee")], r"classes.csv:3: expected a whole number, got ''"),
        ("index,wnid", [(0, "ant"), (1, "bee", "x")], r"classes.csv:3: expected 2 fields"),
        ("index,wnid", [(0, "ant"), (-1, "bee")], r"classes.csv:3: expected a whole number from 0"),
        ("index,wnid", [(0, "ant"), (0, "bee")], r"classes.csv:3: expected each index once"),
        ("index,wnid", [(0, "ant"), (1, "ant")], r"classes.csv:3: expected each wnid once"),
        ("index,wnid", [(0, "ant"), (1, "bee")], r"cat: expected a class folder that classes.csv has"),
    ],
)
def test_malformed_classes(tmp_path: Path, header: str, rows: list[tuple[object, ...]], message: str) -> None:
    root = own_folder(tmp_path / "mine")
    write_csv(root / "classes.csv", header, *rows)
    with pytest.raises(DataError, match=message):
        load(f"folder:{root}", "eval", tmp_path)


def test_boxes_csv(tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine", parts=("train", "val"))
    rows = [("val/bee/1.png", 1, 2, 3, 4), ("val/bee/1.png", 5.5, 6, 7, 8), ("train/ant/0.png", 0, 0, 0, 0)]
    path = write_csv(root / "boxes.csv", "image,xmin,ymin,xmax,ymax", *rows)
    val = load(f"folder:{root}", "val", tmp_path)
    assert val.samples[3].boxes == ((1, 2, 3, 4), (5.5, 6, 7, 8)) and val.box_convention == "inclusive"
    assert not val.samples[0].boxes
    for row, message in (
        (("val/bee/9.png", 1, 2, 3, 4), "boxes.csv:3: expected the path of an image below"),
        (("val/bee/1.png", 4, 2, 3, 4), "boxes.csv:3: expected a box with xmin"),
        (("val/bee/1.png", 4, 2, 3), "boxes.csv:3: expected 5 fields"),
    ):
        write_csv(path, "image,xmin,ymin,xmax,ymax", rows[0], row)
        with pytest.raises(DataError, match=message):
            load(f"folder:{root}", "val", tmp_path)


@pytest.mark.parametrize("split", ["eval", "all", "train"])
@pytest.mark.parametrize("inside", ["", "ant", "train/ant"])
def test_a_folder_without_images(inside: str, split: str, tmp_path: Path) -> None:
    (tmp_path / "mine" / inside).mkdir(parents=True)
    with pytest.raises(DataError, match="mine: expected a sub-folder a class with images"):
        load(f"folder:{tmp_path / 'mine'}", split, tmp_path)


@pytest.mark.parametrize("strays", [("val/stray.png",), ("train/stray.png",), ("train/a.png", "val/stray.png")])
def test_a_picture_beside_the_class_folders_of_a_split_is_named(tmp_path: Path, strays: tuple[str, ...]) -> None:
    root = own_folder(tmp_path / "mine", parts=("train", "val"))
    for stray in strays:
        picture(root / stray)
    told = f"{root / strays[0]}: expected the pictures of a split in its class folders, got one beside them; move it"
    for asked in ("train", "eval"):
        with pytest.raises(DataError, match=re.escape(told)):
            load(f"folder:{root}", asked, tmp_path)


def test_a_class_that_is_called_as_a_split_may_have_folders_of_its_own(tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine")
    picture(root / "train" / "x.png")
    picture(root / "train" / "steam" / "y.png")
    dataset = load(f"folder:{root}", "eval", tmp_path)
    assert dataset.classes == ("ant", "bee", "cat", "train") and len(dataset) == 8


@pytest.mark.parametrize(
    ("names", "canonical"),
    [
        (("train", "valid"), ("train", "val")),
        (("Train", "Val"), ("train", "val")),
        (("training", "validation", "testing"), ("train", "val", "test")),
        (("TRAIN", "Test"), ("train", "test")),
        (("train",), ("train",)),
        (("Testing",), ("test",)),
        (("train2017", "val2017"), ("train", "val")),
        (("training_set", "Test Set"), ("train", "test")),
        (("trainset", "evaluation"), ("train", "val")),
    ],
)
def test_the_usual_names_in_any_case_are_splits(tmp_path: Path, names: tuple[str, ...], canonical: tuple[str, ...]) -> None:
    root = own_folder(tmp_path / "mine", parts=names)
    assert splits(f"folder:{root}", tmp_path) == canonical
    for split, name in zip(canonical, names, strict=True):
        dataset = load(f"folder:{root}", split, tmp_path)
        assert dataset.split == split and dataset.classes == ("ant", "bee", "cat")
        assert {s.id.partition("/")[0] for s in dataset.samples} == {name} and len(dataset) == 6
    assert not check(f"folder:{root}", tmp_path).problems


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("train", "holdout"), "holdout: expected a split's usual name .* of a folder with the class 'ant', got 'holdout'"),
        (("train", "val", "fold2"), "fold2: expected a split's usual name"),
        (("train", "val", "Valid"), "expected one folder of the split val, got Valid/ and val/|got val/ and Valid/"),
    ],
)
def test_what_looks_like_a_split_and_has_no_known_name(tmp_path: Path, names: tuple[str, ...], said: str) -> None:
    root = own_folder(tmp_path / "mine", parts=names)
    for asked in ("train", "eval"):
        with pytest.raises(DataError, match=said):
            load(f"folder:{root}", asked, tmp_path)


def test_classes_beside_a_split_are_an_error_and_not_left_out(tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine", parts=("val",))
    picture(root / "dog" / "x.png")
    with pytest.raises(DataError, match="expected splits .* or classes, got the split val beside dog; move one kind away"):
        load(f"folder:{root}", "eval", tmp_path)


def test_folders_beside_train_and_val_that_are_no_splits_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = own_folder(tmp_path / "mine", parts=("train", "val"))
    picture(root / "unlabelled" / "x.png")
    assert splits(f"folder:{root}", tmp_path) == ("train", "val")
    assert len(load(f"folder:{root}", "train", tmp_path)) == 6
    assert "train: not read: 1 folder beside the splits, first 'unlabelled'" in caplog.text


def test_what_is_not_read_is_counted_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = own_folder(tmp_path / "mine")
    picture(root / "ant" / "x.jpg").rename(root / "ant" / "x.jfif")
    picture(root / ".old" / "x.png")
    (root / "empty").mkdir()
    (root / "ant" / "notes.TXT").write_text("")
    (root / "bee" / "x.heic").write_text("")
    (root / "bee" / ".DS_Store").write_text("")
    for _ in range(2):
        assert [s.id for s in load(f"folder:{root}", "eval", tmp_path).samples][2] == "ant/x.jfif"
    assert [line.partition("not read: ")[2] for line in caplog.messages] == [
        "1 hidden folder, first '.old'",
        "2 files of another kind (1 .heic, 1 .txt)",
        "1 class folder without a picture, first 'empty'",
    ]
