"""Whatever an annotation file holds, its reader reads it or refuses it as bad data: no other error."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from data import masked_miniatures, miniatures
from data.cifar_miniature import cifar100
from data.miniatures import imagenet, own_folder, write_csv
from data.test_openimages import openimages
from data.test_wsol import cub as cub_wsol
from fuzzing import BINARY_EDITS, EDITS, bounded, edited
from hypothesis import given
from hypothesis import strategies as st

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
    "folder": ("folder", folder),
}
PICTURES = readers.IMAGES | {".npy"}


def annotations(root: Path) -> list[Path]:
    """Every file below a folder that is no picture."""
    return sorted(path for path in root.rglob("*") if path.is_file() and path.suffix.lower() not in PICTURES)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_fuzzed_annotations_are_read_or_refused(layout: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    name, build = LAYOUTS[layout]
    root = tmp_path_factory.mktemp("fuzzed")
    build(root)
    spec = f"folder:{root / 'mine'}" if name == "folder" else name
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
