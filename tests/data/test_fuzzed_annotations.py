"""Whatever an annotation file holds, its reader reads it or refuses it as bad data: no other error."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from data import masked_miniatures, miniatures
from data.boxes_miniature import BITS, SQUARE, instances, put, voc
from data.cifar_miniature import cifar100
from data.miniatures import WNIDS, imagenet, own_folder, picture, write, write_csv
from data.test_openimages import openimages
from data.test_wsol import cub as cub_wsol
from fuzzing import BINARY_EDITS, EDITS, bounded, edited
from hypothesis import given
from hypothesis import strategies as st
from reference.coco import packed, runs

from cambench import data
from cambench.data import annotated, readers, synthbirds
from cambench.data.check import check
from cambench.vocabulary import CambenchError

Build = Callable[[Path], Any]


def imagenet_with_devkit(root: Path) -> None:
    """A flat val whose labels are the devkit's."""
    miniatures.imagenet_devkit(imagenet(root, boxes=""))


def folder(root: Path) -> None:
    """One's own images with classes and boxes."""
    own = own_folder(root / "mine", parts=("train", "val"))
    write_csv(own / "classes.csv", "index,folder,name", (2, "ant", "Ant"), (0, "bee", "Bee"), (1, "cat", "Cat"))
    write_csv(own / "boxes.csv", "image,xmin,ymin,xmax,ymax", ("val/ant/0.png", 1, 2, 20, 25), ("val/bee/1.png", 0, 0, 9, 9))


def with_json(root: Path) -> None:
    """One's own images in class folders, with boxes and masks of both kinds in COCO's JSON."""
    own_folder(root / "mine", parts=("train", "val"))
    held = instances(("ant/0.png", "ant"), ("bee/1.png", "bee"), segmentation=SQUARE)
    held["annotations"][1]["segmentation"] = {"size": [30, 40], "counts": packed(runs(BITS.tolist()))}
    put(root / "mine" / "annotations" / "instances_train.json", held)
    held["annotations"][0]["segmentation"] = {"size": [30, 40], "counts": runs(BITS.tolist())}
    put(root / "mine" / "annotations" / "instances_val.json", held)


def by_json(root: Path) -> None:
    """One's own images in no class folders, whose boxes in COCO's JSON name the classes."""
    for name in ("train/0.png", "train/1.png", "val/2.png"):
        picture(root / "mine" / name)
    put(root / "mine" / "train" / "a.json", instances(("0.png", "ant"), ("1.png", "bee")))
    put(root / "mine" / "val" / "a.json", instances(("2.png", "ant"), size=None))


def with_xml(root: Path) -> None:
    """One's own images with boxes in PASCAL VOC's XML."""
    own_folder(root / "mine", parts=("train", "val"))
    for name in ("train/ant/0", "train/bee/1", "val/cat/0"):
        voc(root / "mine" / f"{name}.xml", name.split("/")[1], "dog")


def imagenet_wsol(root: Path) -> None:
    """The WSOL benchmark's ImageNet: train by wnids, val by numbers."""
    splits = {"train": [f"train/{w}/{w}_0.JPEG" for w in WNIDS], "val": ["val2/0.jpeg"], "test": ["val/1.JPEG"]}
    for split, names in splits.items():
        metadata = root / "wsol" / "metadata" / "ILSVRC" / split
        write(metadata / "image_ids.txt", *names)
        write(metadata / "class_labels.txt", *(f"{name},{i}" for i, name in enumerate(names)))
        write(metadata / "image_sizes.txt", *(f"{name},40,30" for name in names))
        write(metadata / "localization.txt", *(f"{name},1,2,20,29" for name in names))
        for name in names:
            picture(root / "wsol" / "dataset" / "ILSVRC" / name)


def multilabel(root: Path) -> None:
    """synthbirds with several birds an image."""
    synthbirds.make(
        root / "synthbirds-multilabel", kind="multilabel", classes=3, per_class=2, test_per_class=2, size=32, seed=0
    )


LAYOUTS: dict[str, tuple[str, Build]] = {
    "cub": ("cub", miniatures.cub),
    "tiny-imagenet": ("tiny-imagenet", miniatures.tiny_imagenet),
    "tiny-imagenet sorted": ("tiny-imagenet", partial(miniatures.tiny_imagenet, sort_val=True)),
    "imagenet xml": ("imagenet", imagenet),
    "imagenet csv": ("imagenet", partial(imagenet, boxes="csv")),
    "imagenet devkit": ("imagenet", imagenet_with_devkit),
    "cars": ("cars", miniatures.cars),
    "cars in one folder": ("cars", miniatures.cars_single),
    "aircraft": ("aircraft", miniatures.aircraft),
    "flowers": ("flowers", miniatures.flowers),
    "unrel": ("unrel", miniatures.unrel),
    "food-101": ("food-101", masked_miniatures.food101),
    "hard-imagenet": ("hard-imagenet", masked_miniatures.hard_imagenet),
    "hard-imagenet-balanced": ("hard-imagenet-balanced", partial(masked_miniatures.hard_imagenet, per_class=5)),
    "pets": ("pets", masked_miniatures.pets),
    "pets-binary": ("pets-binary", masked_miniatures.pets),
    "sbd": ("sbd", masked_miniatures.sbd),
    "cifar100": ("cifar100", cifar100),
    "openimages-30k": ("openimages-30k", openimages),
    "cub-wsol": ("cub-wsol", cub_wsol),
    "synthbirds-multilabel": ("synthbirds-multilabel", multilabel),
    "imagenet-wsol": ("imagenet-wsol", imagenet_wsol),
    "folder": ("folder", folder),
    "folder with a JSON": ("folder", with_json),
    "folder of classes by JSON": ("folder", by_json),
    "folder with XML": ("folder", with_xml),
}
PICTURES = readers.IMAGES | {".npy"}


def annotations(root: Path) -> list[Path]:
    """Every file below a folder that is no picture."""
    return sorted(path for path in root.rglob("*") if path.is_file() and path.suffix.lower() not in PICTURES)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_fuzzed_annotations_are_read_or_refused(layout: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("fuzzed")
    LAYOUTS[layout][1](root)
    spec = spec_of(layout, root)
    whole = {path: path.read_bytes() for path in annotations(root)}
    texts = [path for path in whole if readable(whole[path])]
    changes = st.sampled_from([*whole]).flatmap(
        lambda path: st.tuples(st.just(path), st.lists(EDITS if path in texts else BINARY_EDITS, min_size=1, max_size=3))
    )

    @bounded
    @given(changes)
    def fuzz(change: tuple[Path, list[tuple[Any, ...]]]) -> None:
        path, edits = change
        path.write_bytes(edited(whole[path], edits))
        try:
            read(spec, root)
        finally:
            path.write_bytes(whole[path])

    read(spec, root, strict=True)
    fuzz()


def spec_of(layout: str, root: Path) -> str:
    """The name of a layout's set."""
    name, _ = LAYOUTS[layout]
    return f"folder:{root / 'mine'}" if name == "folder" else name


def readable(content: bytes) -> bool:
    """Whether the bytes are text."""
    try:
        content.decode("ascii")
    except UnicodeDecodeError:
        return False
    return b"\0" not in content


def read(spec: str, root: Path, *, strict: bool = False) -> None:
    """Read all that a set says: its splits, the digests of its annotations, its audit. strict: nothing may be refused."""
    try:
        for split in data.splits(spec, root):
            dataset = data.load(spec, split, root)
            for kind in (annotated.BOXES, annotated.PARTS, *([annotated.ATTRIBUTES] if dataset.attributes else [])):
                annotated.computed(dataset, kind)
        check(spec, root)
    except CambenchError as e:
        if strict:
            raise
        assert str(e).strip() and len(str(e)) < 5000
