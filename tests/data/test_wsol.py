"""The WSOL benchmark's layout in miniature: one folder or several, boxes as written, and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.miniatures import picture, write

from cambench.data import load
from cambench.data.check import check
from cambench.vocabulary import DataError

CLASSES = ("001.Black_footed_Albatross", "002.Laysan_Albatross")


def cub(data_root: Path, *, own_folders: bool = False) -> Path:
    """Two classes; val has numeric file names, as CUBV2 has, and two boxes in one image."""
    root = data_root / "wsol"
    ids = {
        "train": [f"{c}/{c[4:]}_{n}.jpg" for c in CLASSES for n in range(2)],
        "val": [f"{c}/{100 + i}.jpeg" for i, c in enumerate(CLASSES)],
        "test": [f"{CLASSES[1]}/b_9.jpg", f"{CLASSES[0]}/a_9.jpg"],
    }
    for split, names in ids.items():
        metadata = root / "metadata" / "CUB" / split
        write(metadata / "image_ids.txt", *names)
        write(metadata / "class_labels.txt", *(f"{n},{int(n[:3]) - 1}" for n in names))
        write(metadata / "image_sizes.txt", *(f"{n},40,30" for n in names))
        lines = [f"{n},{1 + i},2,20,29" for i, n in enumerate(names)]
        write(metadata / "localization.txt", *lines, *([f"{names[0]},5,6,7,8"] if split == "val" else []))
        for n in names:
            folder = ("CUBV2" if split == "val" else "CUB_200_2011/images") if own_folders else "dataset/CUB"
            picture(root / folder / n, (40, 30))
    return root


@pytest.mark.parametrize("own_folders", [False, True])
def test_splits_labels_and_boxes(tmp_path: Path, own_folders: bool) -> None:
    cub(tmp_path, own_folders=own_folders)
    train, val, test = (load("cub-wsol", split, tmp_path) for split in ("train", "val", "eval"))
    assert train.classes == val.classes == test.classes == ("Black footed Albatross", "Laysan Albatross")
    assert [len(d) for d in (train, val, test)] == [4, 2, 2] and not train.samples[0].boxes
    assert [s.label for s in test.samples] == [1, 0] and test.split == "test"
    assert val.samples[0].boxes == ((1, 2, 20, 29), (5, 6, 7, 8)) and val.samples[0].size == (40, 30)
    assert val.box_convention == "inclusive" and "2 of the 1000 official val images" in val.notes
    assert check("cub-wsol", tmp_path).problems == []


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    root = cub(tmp_path)
    metadata = root / "metadata" / "CUB" / "test"
    (root / "dataset" / "CUB" / CLASSES[0] / "a_9.jpg").unlink()
    with pytest.raises(DataError, match=r"image_ids.txt: names images that are in none of .*CUB.*: 001.*/a_9.jpg\.$"):
        load("cub-wsol", "test", tmp_path)
    picture(root / "dataset" / "CUB" / CLASSES[0] / "a_9.jpg", (40, 30))
    write(metadata / "localization.txt", f"{CLASSES[1]}/b_9.jpg,1,2,3,4")
    with pytest.raises(DataError, match=r"localization.txt: expected a line for each image .* none for 001.*a_9.jpg \(1 in"):
        load("cub-wsol", "test", tmp_path)
    write(metadata / "localization.txt", f"{CLASSES[1]}/b_9.jpg,9,2,3,4")
    with pytest.raises(DataError, match=r"localization.txt:1: expected a box with xmin, ymin before"):
        load("cub-wsol", "test", tmp_path)
    write(metadata / "class_labels.txt", f"{CLASSES[1]}/b_9.jpg,200")
    with pytest.raises(DataError, match=r"class_labels.txt:1: expected a whole number from 0 to 199, got '200'"):
        load("cub-wsol", "test", tmp_path)
    write(metadata / "class_labels.txt", f"{CLASSES[1]}/b_9.jpg,1")
    with pytest.raises(DataError, match=r"class_labels.txt: expected a line for each image"):
        load("cub-wsol", "test", tmp_path)
