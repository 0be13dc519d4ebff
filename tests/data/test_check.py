"""`check` finds what is missing, unreadable, unlabelled or doubled, and counts the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from data.cifar_miniature import cifar100
from data.miniatures import (
    WNIDS,
    aircraft,
    cars,
    cub,
    flowers,
    imagenet,
    own_folder,
    picture,
    tiny_imagenet,
    write,
    write_csv,
)

from cambench.data.check import Row, check
from cambench.vocabulary import DataError

WHOLE: dict[str, tuple[Callable[[Path], Path], list[Row]]] = {
    "cub": (cub, [Row("train", 6, 3, 6, 0), Row("test", 6, 3, 6, 0)]),
    "tiny-imagenet": (tiny_imagenet, [Row("train", 12, 4, 12, 0), Row("val", 8, 4, 8, 0)]),
    "cifar100": (cifar100, [Row("train", 6, 3, 0, 0), Row("test", 3, 3, 0, 0)]),
    "imagenet": (imagenet, [Row("train", 8, 4, 0, 0), Row("val", 8, 4, 9, 0)]),
    "cars": (cars, [Row("train", 6, 3, 6, 0), Row("test", 3, 3, 3, 0)]),
    "aircraft": (aircraft, [Row("train", 4, 2, 4, 0), Row("test", 3, 2, 3, 0)]),
    "flowers": (flowers, [Row("train", 4, 3, 0, 0), Row("test", 5, 3, 0, 0)]),
}


@pytest.mark.parametrize("name", list(WHOLE))
def test_a_whole_set_has_no_problems(tmp_path: Path, name: str) -> None:
    write_set, rows = WHOLE[name]
    root = write_set(tmp_path)
    seen: list[tuple[int, int]] = []
    report = check(name, tmp_path, lambda done, total: seen.append((done, total)))
    assert report.problems == [] and report.rows == rows and report.root == root
    assert seen[-1] == (rows[-1].images, rows[-1].images) and len(seen) == sum(r.images for r in rows)
    assert any("of the" in note and "official" in note for note in report.notes)


def test_unreadable_images_are_named_and_counted(tmp_path: Path) -> None:
    root = cub(tmp_path)
    bad = root / "images" / "002.Laysan_Albatross" / "Laysan_Albatross_0002_2.jpg"
    bad.write_bytes(bad.read_bytes()[:-200])
    report = check("cub", tmp_path)
    assert [r.unreadable for r in report.rows] == [1, 0]
    (problem,) = report.problems
    assert problem.startswith(f"{bad}: expected a readable image")


def test_images_without_a_label_are_found(tmp_path: Path) -> None:
    picture(cub(tmp_path) / "images" / "001.Black_footed_Albatross" / "stray.jpg")
    (problem,) = check("cub", tmp_path).problems
    assert problem.endswith(
        "1 images without an annotation, first " + str(tmp_path / "CUB_200_2011/images/001.Black_footed_Albatross/stray.jpg")
    )


def test_a_split_that_cannot_be_loaded_is_a_problem_and_the_other_is_still_checked(tmp_path: Path) -> None:
    root = tiny_imagenet(tmp_path)
    (root / "val" / "images" / "val_3.JPEG").unlink()
    report = check("tiny-imagenet", tmp_path)
    assert [r.split for r in report.rows] == ["train"]
    assert len(report.problems) == 1 and "val_annotations.txt: names 1 images" in report.problems[0]


def test_tiny_imagenet_boxes_and_folders_that_do_not_match(tmp_path: Path) -> None:
    root = tiny_imagenet(tmp_path)
    path = root / "train" / WNIDS[0] / f"{WNIDS[0]}_boxes.txt"
    write(path, *path.read_text().splitlines()[:2], "gone.JPEG\t0\t0\t9\t9")
    (root / "train" / "n99999999").mkdir()
    problems = check("tiny-imagenet", tmp_path).problems
    assert [p.partition(": ")[2] for p in problems] == [
        "boxes of images that are not there: 1, first gone.JPEG",
        f"no box for images: 1, first {WNIDS[0]}_2.JPEG",
        "a class folder that wnids.txt does not name",
    ]


def test_imagenet_annotations_that_do_not_match(tmp_path: Path) -> None:
    root = imagenet(tmp_path, flat=False)
    (root / "annotation" / "ILSVRC2012_val_00000002.xml").rename(root / "annotation" / "ILSVRC2012_val_00000099.xml")
    report = check("imagenet", tmp_path)
    assert [p.partition(": ")[2] for p in report.problems] == [
        "annotations of images that are not there: 1, first ILSVRC2012_val_00000099",
        "no annotation for val images: 1, first ILSVRC2012_val_00000002",
    ]
    assert "val: 1 image without a box" in report.notes


def test_an_image_in_two_splits_is_a_problem(tmp_path: Path) -> None:
    root = aircraft(tmp_path)
    path = root / "data" / "images_variant_test.txt"
    write(path, *path.read_text().splitlines(), "0000001 F/A-18")
    problems = check("aircraft", tmp_path).problems
    assert len(problems) == 1 and problems[0].startswith("1 images are in train and in test, first ")


def test_an_image_listed_twice_is_a_problem(tmp_path: Path) -> None:
    root = aircraft(tmp_path)
    path = root / "data" / "images_variant_test.txt"
    write(path, *path.read_text().splitlines(), "0000005 F/A-18")
    assert check("aircraft", tmp_path).problems == ["test: 0000005 is listed 2 times"]


def test_folder_with_index_and_odd_boxes(tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine")
    write_csv(root / "classes.csv", "index,folder", (1, "ant"), (4, "bee"), (2, "cat"))
    write_csv(root / "boxes.csv", "image,xmin,ymin,xmax,ymax", ("ant/0.png", 50, 0, 60, 9), ("ant/1.png", -1, 0, 39, 29))
    picture(root / "loose.png")
    report = check(f"folder:{root}", tmp_path)
    assert report.rows == [Row("all", 6, 5, 2, 0)]
    assert report.problems == [f"{root}: 1 images without an annotation, first {root / 'loose.png'}"]
    assert "all: 2 classes without images" in report.notes and "all: 4 images without a box" in report.notes
    assert "all: 1 images with a box wholly outside the picture (it counts as none)" in report.notes
    assert "all: 1 images with a box that reaches past the picture's edge (it is clipped)" in report.notes


def test_many_problems_are_counted_not_listed(tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine", per_class=8)
    for path in root.glob("*/*.png"):
        path.write_bytes(b"")
    problems = check(f"folder:{root}", tmp_path).problems
    assert len(problems) == 21 and problems[-1] == "… and 4 more like these"


def test_no_such_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="aircraft: expected a folder with data/variants.txt"):
        check("aircraft", tmp_path)
