"""Boxes and masks beside one's own images: VOC's XML, COCO's JSON, whose image each is of, upright pictures, bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.miniatures import annotation, own_folder, picture, write_csv
from PIL import Image
from reference.coco import inside, packed, runs

from cambench.data import annotated, coco, decode, load, splits
from cambench.data.check import check
from cambench.data.regions import BOXES, SEGMENTATION, boxes_in_view, load_regions, region_source
from cambench.data.views import View
from cambench.vocabulary import DataError, Dataset

BOX = (3, 4, 10, 12)
PARTS = ("train", "valid")


def split(root: Path, name: str = "eval") -> Dataset:
    return load(f"folder:{root}", name, root)


def boxes(dataset: Dataset) -> dict[str, tuple[Any, ...]]:
    return {s.id: s.boxes for s in dataset.samples if s.boxes}


def voc(path: Path, *names: str) -> Path:
    """An XML file with the box 3, 4, 10, 12 of each name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(annotation([(name, BOX) for name in names]))
    return path


def instances(*images: tuple[str, str], size: tuple[int, int] | None = (40, 30), **more: Any) -> dict[str, Any]:
    """COCO's JSON with the box [3, 4, 8, 9] of one object an image. images: (file_name, category)."""
    categories = sorted({category for _, category in images})
    sides = {} if size is None else {"width": size[0], "height": size[1]}
    return {
        "images": [{"id": 7 + i, "file_name": name, **sides} for i, (name, _) in enumerate(images)],
        "categories": [{"id": 3 + i, "name": name} for i, name in enumerate(categories)],
        "annotations": [
            {"id": 50 + i, "image_id": 7 + i, "category_id": 3 + categories.index(name), "bbox": [3, 4, 8, 9], **more}
            for i, (_, name) in enumerate(images)
        ],
    }


def put(path: Path, held: Any) -> Path:
    """A JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(held))
    return path


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


def test_run_lengths_in_both_spellings() -> None:
    assert coco.unpacked("61X13mN000`0") == [6, 1, 40, 4, 5, 4, 5, 4, 21], "the example of COCO's own code"
    generator = np.random.default_rng(0)
    for share in (0.02, 0.5, 0.98):
        mask = (generator.random((37, 90)) < share).astype(int)
        counts = runs(mask.tolist())
        assert coco.unpacked(packed(counts)) == counts
        assert np.array_equal(coco.from_runs(counts, 37, 90), mask == 1)


def test_a_pixel_of_a_polygon_has_its_centre_in_it() -> None:
    star = [(2.2, 1.3), (17.9, 14.1), (9.4, 3.7), (3.1, 18.6), (11.8, 9.9)]
    expected = [[inside(star, x + 0.5, y + 0.5) for x in range(20)] for y in range(22)]
    assert np.array_equal(coco.polygons([[v for corner in star for v in corner]], (22, 20)), np.array(expected))
    square = coco.polygons([[2, 3, 6, 3, 6, 8, 2, 8], [-5, -5, 1, -5, 1, 1, -5, 1]], (10, 9))
    assert square.sum() == 4 * 5 + 1 and square[3:8, 2:6].all() and square[0, 0], "two parts; what is outside is cut off"


SQUARE = [[3, 4, 11, 4, 11, 13, 3, 13]]
BITS = np.zeros((30, 40), dtype=int)
BITS[4:13, 3:11] = 1


@pytest.mark.parametrize(
    "segmentation",
    [SQUARE, {"size": [30, 40], "counts": runs(BITS.tolist())}, {"size": [30, 40], "counts": packed(runs(BITS.tolist()))}],
)
def test_a_mask_is_a_region_of_its_image(segmentation: object, tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine")
    held = instances(("ant/0.png", "ant"), ("bee/1.png", "bee"), segmentation=segmentation)
    held["annotations"].append({**held["annotations"][1], "id": 99, "segmentation": [[20, 20, 30, 20, 30, 25, 20, 25]]})
    path = put(root / "masks.json", held)
    dataset = split(root)
    assert region_source(dataset) == SEGMENTATION and dataset.samples[0].segmentation == path / "0"
    assert np.array_equal(load_regions(dataset, 0, SEGMENTATION), np.where(BITS, 0, -1))
    both = load_regions(dataset, 3, SEGMENTATION)
    assert both[20:25, 20:30].min() == 1 and (both == 1).sum() == BITS.sum() + 50, "two bees"
    before = annotated.digest(dataset, SEGMENTATION)
    assert annotated.digest(split(root), SEGMENTATION) == before
    held["annotations"][0]["segmentation"] = [[0, 0, 5, 0, 5, 5]]
    put(path, held)
    changed = split(root)
    assert annotated.digest(changed, SEGMENTATION) != before and (load_regions(changed, 0, SEGMENTATION) == 0).sum() == 15
    del held["annotations"][2]["segmentation"]
    put(path, held)
    assert split(root).samples[3].segmentation is None, "one of its two bees has no mask"


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
    "one folder": ("images/t{}", "images/v{}", "annotations/train.json", "annotations/val.json"),
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


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda root: (root / "a.json").write_text("{"), "a.json: expected JSON, got "),
        (broken(image_id=99), "a.json: annotation 50: expected the id of an image listed there, got 99"),
        (broken(category_id=None), "a.json: annotation 50: expected the id of a category listed there, got None"),
        (
            broken(bbox=[1, 2, 0, 4]),
            r"expected a bbox \[x, y, width, height\] of some size, got \[1, 2, 0, 4\]",
        ),
        (broken(bbox=[1, 2, "3", 4]), "annotation 50: expected a bbox"),
        (image(file_name=None), "a.json: image 7: expected a file_name, got None"),
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


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (
            [[1, 2, 3, 4]],
            "expected polygons or run lengths, got none that can be drawn .a polygon of 2 corners",
        ),
        ([["a", "b"]], "annotation 50: expected polygons"),
        ({"size": [30, 40], "counts": [3, 4]}, "runs of 7 pixels for 40x30"),
        ({"size": [30, 40], "counts": "X"}, "a text that ends within a number"),
        ({"size": [3, 4], "counts": [12]}, "annotation 50: expected a mask of 40x30, got 4x3"),
        ({"counts": [3]}, "annotation 50: expected polygons"),
    ],
)
def test_a_mask_that_cannot_be_drawn_is_one_line(segmentation: object, message: str, tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine")
    put(root / "a.json", instances(("ant/0.png", "ant"), segmentation=segmentation))
    with pytest.raises(DataError, match=message):
        load_regions(split(root), 0, SEGMENTATION)
