"""SBD (Semantic Boundaries Dataset): PASCAL VOC's 20 classes, several an image, with class segmentations; no boxes.

`Sample.labels` are the classes that the segmentation shows, which is why every .mat file is read when a split is loaded:
2 to 3 seconds a thousand images, the price of no index that could go stale. SBD's train overlaps VOC 2012's val: evaluate
on SBD's val (ContrastiveCAM protocol §4).
"""

from __future__ import annotations

from pathlib import Path

from cambench.data import decode, readers
from cambench.vocabulary import Dataset, Sample

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog", "horse",
    "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""PASCAL VOC's classes in its order; class k is k + 1 in the segmentations."""


def read(root: Path, split: str) -> Dataset:
    """One split (`train`, `val`) in the order of its list; images that show no class are left out, with a note.

    Raises: DataError naming the file that is missing or malformed, or the images that are not there.
    """
    path = root / f"{split}.txt"
    names = readers.entries(path)
    readers.require_images([f"{name}.jpg" for name in names], root / "img", path)
    masks = {name: root / "cls" / f"{name}.mat" for name in names}
    labels = {name: present(mask) for name, mask in masks.items()}
    samples = tuple(
        Sample(name, root / "img" / f"{name}.jpg", shown[0], segmentation=masks[name], labels=shown)
        for name, shown in labels.items()
        if shown
    )
    if not samples:
        raise readers.broken(path, "images that show a class", f"none of {len(names)}")
    without = len(labels) - len(samples)
    notes = (f"{without} of {len(labels)} images that show none of the {len(CLASSES)} classes are left out",)
    return Dataset("sbd", split, root, CLASSES, samples, notes=notes if without else (), segments="sbd", multilabel=True)


def present(path: Path) -> tuple[int, ...]:
    """The classes that a segmentation shows, ascending."""
    regions = decode.sbd(path)
    return tuple(k for k in range(len(CLASSES)) if (regions == k).any())
