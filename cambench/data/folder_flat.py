"""Anyone's own images without class folders: what they show is said by the boxes beside them.

So lie the pictures of VOC (`JPEGImages/`, `Annotations/`), of COCO (`train2017/`, `annotations/instances_train2017.json`)
and of Roboflow (`train/` with a JSON or XML files in it). The classes are the names of the objects, sorted. An image is of
the class whose boxes cover most of it, of equals the first, and has that class's boxes; one without an object is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from cambench.data import readers
from cambench.data.folder_boxes import Annotations, words
from cambench.data.folder_splits import ALL, NAMES, split_among, split_of
from cambench.vocabulary import DataError, Sample

PLAIN = ("images", "jpegimages", "imgs", "img", "data")
"""Folders, in any case of letters, that are no class where boxes name the classes, as those of a split's name are none."""


def is_flat(annotations: Annotations) -> bool:
    """Whether no folder of the pictures is a class: there are boxes, and all folders have plain names or those of splits."""
    folders = {part for image in annotations.images for part in PurePosixPath(image).parts[:-1]}
    return bool(annotations.of) and all(name.lower() in PLAIN or split_of(name) for name in folders)


def names(annotations: Annotations) -> list[str]:
    """The names of all objects, sorted."""
    return sorted({o.name for annotation in annotations.of.values() for o in annotation.objects})


def places(root: Path, annotations: Annotations) -> dict[str, str]:
    """Image with an object -> its split: by its folders, else by those of its annotation and by its file's name, else `all`.

    Raises: DataError where some images are of splits and one of none.
    """
    split = {
        image: split_among([*PurePosixPath(image).parts[:-1], *words(root, annotation.file)]) or ALL
        for image, annotation in sorted(annotations.of.items())
        if annotation.objects
    }
    if ALL in split.values() and set(split.values()) != {ALL}:
        image = next(image for image, name in split.items() if name == ALL)
        raise DataError(
            f"{root / image}: expected a split of every image, as others have one, got none; put it below one of "
            f"{', '.join(NAMES)}."
        )
    return split


def splits(places: Mapping[str, str]) -> tuple[str, ...]:
    """The splits that are there, that of evaluation last."""
    return tuple(name for name in (*NAMES, ALL) if name in places.values())


def samples(root: Path, annotations: Annotations, index: Mapping[str, int], images: Sequence[str]) -> list[Sample]:
    """These images, each with the class that covers most of it. Raises: DataError for a name without a class index."""
    listed = []
    for image in images:
        annotation = annotations.of[image]
        area = Counter[str]()
        for o in annotation.objects:
            x0, y0, x1, y1 = readers.half_open(o.box, annotations.convention)
            area[o.name] += (x1 - x0) * (y1 - y0)  # type: ignore[assignment]
        missing = sorted(set(area) - set(index))
        if missing:
            raise DataError(f"{annotation.file}: expected names that classes.csv has, got {missing[0]!r}; add it there.")
        label = min(area, key=lambda name: (-area[name], index[name]))
        listed.append(Sample(image, root / image, index[label]))
    return listed


def notes(annotations: Annotations, own: Sequence[str], split: str) -> tuple[str, ...]:
    """What must stand beside every number of a split. own: its images with an object."""
    several = sum(len({o.name for o in annotations.of[image].objects}) > 1 for image in own)
    without = [image for image in annotations.images if image not in annotations.of or not annotations.of[image].objects]
    left = sum((split_among(PurePosixPath(i).parts[:-1]) or split) == split for i in without)
    sentences = (
        (left, f"{left} of {left + len(own)} images without an object are left out"),
        (several, f"{several} of {len(own)} images show several classes and count for the one of the largest area"),
    )
    return tuple(sentence for n, sentence in sentences if n)
