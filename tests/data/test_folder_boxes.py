"""Boxes beside one's own images: VOC's XML, COCO's JSON, whose image each is of, upright pictures, bad input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.boxes_miniature import BOX, instances, put, voc
from data.miniatures import annotation, own_folder, picture, write_csv
from PIL import Image

from cambench.data import decode, load, splits, xml_boxes
from cambench.data.check import check
from cambench.data.regions import BOXES, boxes_in_view, load_regions
from cambench.data.views import View
from cambench.vocabulary import DataError, Dataset

PARTS = ("train", "valid")


def split(root: Path, name: str = "eval") -> Dataset:
    return load(f"folder:{root}", name, root)


def boxes(dataset: Dataset) -> dict[str, tuple[Any, ...]]:
    return {s.id: s.boxes for s in dataset.samples if s.boxes}


@pytest.mark.parametrize("place", ["Annotations", "ant", "Annotations/ant"])
def test_the_xml_of_an_image_lies_beside_it_or_in_a_folder_of_its_own(
    place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = own_folder(tmp_path / "mine", per_class=1)
    picture(root / "ant" / "one.png")
    voc(root / place / "one.xml", "Ant", "bee")
    voc(root / place / "gone.xml", "ant")
    (root / place / "other.xml").write_text("<settings/>")
    dataset = split(root)
    assert dataset.box_convention == "one-based" and boxes(dataset) == {"ant/one.png": (BOX,)}
    assert boxes_in_view(dataset, 1, View("full", 30)) == [(2, 3, 10, 12)]
    assert "not read: annotations of images that are not there: gone" in caplog.text
    assert ("not read: 1 file of another kind (1 .xml)" in caplog.text) == (place == "ant")
    assert "class folder without" not in caplog.text and not check(f"folder:{root}", tmp_path).problems


def test_files_are_read_once_until_one_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, read = own_folder(tmp_path / "mine", parts=PARTS), list[Path]()
    before = xml_boxes.root_of
    monkeypatch.setattr(xml_boxes, "root_of", lambda path: read.append(path) or before(path))
    files = [voc(root / name, "ant") for name in ("train/ant/0.xml", "valid/ant/1.xml")]
    for _ in range(2):
        assert splits(f"folder:{root}", tmp_path) == ("train", "val")
        assert [*boxes(split(root, "train")), *boxes(split(root))] == ["train/ant/0.png", "valid/ant/1.png"]
    assert read == files
    voc(files[1], "bee", "ant", "ant")
    assert boxes(split(root)) == {"valid/ant/1.png": (BOX, BOX)}
    picture(root / "valid" / "ant" / "2.png")
    files[0].rename(root / "valid" / "ant" / "2.xml")
    assert [*boxes(split(root, "train")), *boxes(split(root))] == ["valid/ant/1.png", "valid/ant/2.png"]


def test_decimals_and_difficult_objects_are_read(tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine", per_class=1)
    text = annotation([("object", BOX)]).replace("<xmin>3<", "<xmin>3.5<").replace("<difficult>0", "<difficult>1")
    (root / "ant" / "0.xml").write_text(text)
    sample = split(root).samples[0]
    assert sample.boxes == ((3.5, 4, 10, 12),) and sample.difficult, "no class is called object: every object counts"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"train/_annotations.coco.json": [("ant/0.png", "ant")]}, ["train/ant/0.png"]),
        ({"valid/_annotations.coco.json": [("0.png", "ant"), ("1.png", "bee")]}, None),
        ({"annotations/instances_val2017.json": [("ant/0.png", "ant"), ("bee/1.png", "ant")]}, ["valid/ant/0.png"]),
        ({"annotations/instances_train.json": [("cat/1.png", "cat")], "annotations/val.json": [("cat/1.png", "cat")]},
         ["train/cat/1.png", "valid/cat/1.png"]),
        ({"all.json": [("valid/cat/1.png", "x"), ("train/ant/0.png", "x")]}, ["train/ant/0.png", "valid/cat/1.png"]),
        ({"all.json": [("mine/valid/cat/1.png", "cat")]}, ["valid/cat/1.png"]),
        ({"all.json": [("cat/1.png", "cat")]}, None),
    ],
)  # fmt: skip
def test_a_json_names_images_of_its_split(
    files: dict[str, list[tuple[str, str]]], expected: list[str] | None, tmp_path: Path
) -> None:
    root = own_folder(tmp_path / "mine", parts=PARTS)
    for name, images in files.items():
        put(root / name, instances(*images))
    put(root / "package.json", {"name": "no COCO"})
    if expected is None:
        with pytest.raises(DataError, match=r"json: expected one image .*, got .*; give the names with their folders"):
            split(root)
        return
    both = {**boxes(split(root, "train")), **boxes(split(root, "val"))}
    assert both == dict.fromkeys(expected, ((3, 4, 11, 13),)), "x, y, width, height; half-open"
    assert split(root, "train").box_convention == "half-open"


def test_crowds_and_captions_count_for_nothing(tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine")
    held = instances(("ant/0.png", "ant"), ("bee/0.png", "bee"))
    held["annotations"][1]["iscrowd"] = 1
    held["annotations"].append({"id": 9, "image_id": 8, "caption": "a bee"})
    put(root / "a.json", held)
    assert list(boxes(split(root))) == ["ant/0.png"]


def photograph(path: Path, tag: int, corner: tuple[int, int]) -> Path:
    """A stored picture of 40×30 with a white square of 8×8 at a corner (x, y), and an orientation tag."""
    pixels = np.zeros((30, 40, 3), dtype=np.uint8)
    pixels[corner[1] : corner[1] + 8, corner[0] : corner[0] + 8] = 255
    exif = Image.Exif()
    exif[decode.ORIENTATION] = tag
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, exif=exif)
    return path


def test_pictures_stand_upright_where_their_boxes_do(tmp_path: Path) -> None:
    """Tag 6: the stored picture is turned by 90° clockwise, (x, y) -> (29 − y, x); a box of 8×8 at (2, 20) is at (2, 2)."""
    root = tmp_path / "mine"
    photograph(root / "ant" / "a.png", 6, (2, 20))
    photograph(root / "bee" / "b.png", 1, (2, 20))
    upright = instances(("ant/a.png", "ant"), ("bee/b.png", "bee"))
    upright["images"][0] |= {"width": 30, "height": 40}
    for one, corner in zip(upright["annotations"], [(2, 2), (2, 20)], strict=True):
        one["bbox"] = [*corner, 8, 8]
    without = split(root)
    path = put(root / "a.json", upright)
    dataset = split(root)
    assert dataset.fingerprint != without.fingerprint and not check(f"folder:{root}", tmp_path).notes
    for row, size in enumerate([(30, 40), (40, 30)]):
        pixels = decode.pixels(dataset.samples[row].path, dataset.banner)
        assert pixels.shape[1::-1] == size == decode.image_size(dataset.samples[row].path, dataset.banner)
        assert np.array_equal(pixels[..., 0] > 127, load_regions(dataset, row, BOXES) == row)
    upright["images"][0] |= {"width": 40, "height": 30}
    put(path, upright)
    assert split(root).fingerprint == without.fingerprint, "boxes of stored pixels: tags are ignored"
    photograph(root / "bee" / "b.png", 8, (2, 20))
    upright["images"][1] |= {"width": 30, "height": 40}
    put(path, upright)
    with pytest.raises(DataError, match=r"b.png: expected all sizes .* got this one upright and .*a.png as stored"):
        split(root)


LAYOUTS = {
    "Roboflow": ("train/{}", "valid/{}", "train/_annotations.coco.json", "valid/_annotations.coco.json"),
    "COCO": ("images/train2017/{}", "images/val2017/{}", "annotations/instances_train2017.json",
             "annotations/instances_val2017.json"),
    "one folder": ("images/t{}", "images/v{}", "annotations/birds.train.json", "annotations/birds-val.json"),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_boxes_name_the_classes_where_no_folder_does(layout: str, tmp_path: Path) -> None:
    root, (train, val, *files) = tmp_path / "mine", LAYOUTS[layout]
    for where, file, names in ((train, files[0], ("cat", "ant")), (val, files[1], ("ant", "cat"))):
        for n in range(3):
            picture(root / where.format(f"{n}.png"))
        held = instances(*((Path(where.format(f"{n}.png")).name, name) for n, name in enumerate(names)))
        larger = {"id": 99, "image_id": 7, "category_id": held["annotations"][1]["category_id"], "bbox": [0, 0, 20, 20]}
        held["annotations"].append(larger)
        put(root / file, held)
    assert splits(f"folder:{root}", tmp_path) == ("train", "val")
    dataset = split(root, "train")
    assert dataset.classes == ("ant", "cat") and [s.id for s in dataset.samples] == [
        train.format(f"{n}.png") for n in (0, 1)
    ]
    assert [s.label for s in dataset.samples] == [0, 0], "the larger ant counts"
    assert [s.boxes for s in dataset.samples] == [((0, 0, 20, 20),), ((3, 4, 11, 13),)]
    assert "1 of 2 images show several classes and count for the one of the largest area" in dataset.notes
    assert any("without an object are left out" in note for note in dataset.notes)
    assert [s.label for s in split(root).samples] == [1, 1]
    write_csv(root / "classes.csv", "index,object", (5, "cat"), (2, "ant"))
    assert [s.label for s in split(root).samples] == [5, 5] and len(split(root).classes) == 6
    write_csv(root / "classes.csv", "index,object", (5, "cat"))
    with pytest.raises(DataError, match="expected names that classes.csv has, got 'ant'; add it there"):
        split(root)


def test_vocs_own_folders_and_an_image_of_no_split(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    for n, name in enumerate(("dog", "cat", "dog")):
        picture(root / "JPEGImages" / f"{n}.png")
        voc(root / "Annotations" / f"{n}.xml", name)
    dataset = split(root)
    assert (dataset.split, dataset.classes) == ("all", ("cat", "dog")) and [s.label for s in dataset.samples] == [1, 0, 1]
    assert not check(f"folder:{root}", tmp_path).problems
    picture(root / "train" / "x.png")
    voc(root / "train" / "x.xml", "dog")
    with pytest.raises(DataError, match="JPEGImages/0.png: expected a split of every image, as others have one, got none"):
        split(root)


def broken(**change: Any) -> Callable[[Path], None]:
    """A JSON file with one annotation changed."""
    return lambda root: [put(root / "a.json", instances(("ant/0.png", "ant"), **change))][0] and None


def image(**change: Any) -> Callable[[Path], None]:
    """A JSON file with one image changed."""

    def write(root: Path) -> None:
        held = instances(("ant/0.png", "ant"))
        held["images"][0] |= change
        put(root / "a.json", held)

    return write


def nameless(key: str, of: str) -> Callable[[Path], None]:
    """A JSON file with an image or a category without an id, and an annotation that says none."""

    def write(root: Path) -> None:
        held = instances(("ant/0.png", "ant"))
        del held[of][0]["id"], held["annotations"][0][key]
        put(root / "a.json", held)

    return write


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda root: (root / "a.json").write_text("{"), "a.json: expected JSON, got "),
        (nameless("image_id", "images"), "a.json: annotation 50: expected the id of an image listed there, got None"),
        (nameless("category_id", "categories"), "annotation 50: expected the id of a category listed there, got None"),
        (broken(image_id=99), "a.json: annotation 50: expected the id of an image listed there, got 99"),
        (broken(category_id=None), "a.json: annotation 50: expected the id of a category listed there, got None"),
        (
            broken(bbox=[1, 2, 0, 4]),
            r"expected a bbox \[x, y, width, height\] of some size, got \[1, 2, 0, 4\]",
        ),
        (broken(bbox=[1, 2, "3", 4]), "annotation 50: expected a bbox"),
        (broken(bbox=[1, 2, 10**400, 4]), "annotation 50: expected a bbox"),
        (broken(bbox=[1, 2, 3, 4] * 999), "annotation 50: expected a bbox .* 1, 2, ...]; mend it"),
        (
            broken(image_id=[7]),
            "a.json: expected objects in annotations, whose ids are numbers or texts, got 1 others, first",
        ),
        (
            lambda root: put(root / "a.json", {**instances(), "categories": ["ant"]}),
            "objects in categories, .*, first 'ant'",
        ),
        (
            lambda root: put(root / "a.json", {**instances(), "categories": [{"id": 1}]}),
            "category 1: expected a name, got None",
        ),
        (lambda root: (root / "a.json").write_text("[" * 100_000), "a.json: expected JSON, got maximum recursion depth"),
        (
            image(file_name=".", width=10**9, height=1),
            r"image .: expected width and height in pixels, got \(1000000000, 1\)",
        ),
        (image(file_name=None), "a.json: image 7: expected a file_name, got None"),
        (image(width=True), r"image ant/0.png: expected width and height in pixels, got \(True, 30\)"),
        (image(width="40"), r"image ant/0.png: expected width and height in pixels, got \('40', 30\)"),
        (lambda root: voc(root / "ant" / "0.xml", "ant").write_text("<annotation>"), "0.xml:1: expected XML, got "),
        (
            lambda root: voc(root / "ant" / "0.xml").write_text(annotation([("ant", BOX)]).replace(">10<", ">ten<")),
            "0.xml: expected a number in bndbox/xmax, got 'ten'",
        ),
        (
            lambda root: [voc(root / "ant" / "0.xml", "ant"), voc(root / "Annotations" / "ant" / "0.xml", "ant")],
            "ant/0.png: expected one annotation of an image, got those of .*0.xml and .*0.xml",
        ),
        (
            lambda root: [voc(root / "ant" / "0.xml", "ant"), put(root / "a.json", instances(("ant/0.png", "ant")))],
            "expected boxes in one kind of file, got a.json and ant/0.xml|got ant/0.xml and a.json",
        ),
        (
            lambda root: [
                voc(root / "ant" / "0.xml", "ant"),
                write_csv(root / "boxes.csv", "image,xmin,ymin,xmax,ymax", ("ant/0.png", 1, 2, 3, 4)),
            ],
            "expected boxes in one kind of file, got boxes.csv and ant/0.xml",
        ),
    ],
)
def test_bad_input_is_one_line(write: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine")
    write(root)
    with pytest.raises(DataError, match=message) as caught:
        split(root)
    assert "\n" not in str(caught.value)
