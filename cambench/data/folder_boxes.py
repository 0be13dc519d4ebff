"""Boxes and masks beside anyone's own images: boxes.csv, PASCAL VOC's XML, COCO's JSON, wherever below the folder they lie.

An XML file is of the image with its stem, a JSON's entry of the image with its file_name. Where several images have that
name, the one counts whose folders agree most, then one of the split in whose folder the file lies or whose name it bears
(`instances_val2017.json`).
An object counts for an image where its name is that of the image's class, or of its folder. Where no object of the set has
the name of a class (they are called `object`, say), every one counts.
boxes.csv: `image,xmin,ymin,xmax,ymax`, image relative to the folder, 0-based and inclusive; VOC's are 1-based and inclusive.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from xml.etree.ElementTree import Element

from cambench.data import coco, decode, readers, xml_boxes
from cambench.data.folder_splits import split_among, split_of
from cambench.lookup import canonical
from cambench.vocabulary import Box, BoxConvention, DataError, Dataset, Sample, listed

log = logging.getLogger("cambench.data")
SUFFIXES = (".xml", ".json")


class Object(NamedTuple):
    """One object; `instance` where it is COCO's, which may have a mask."""

    name: str
    box: Box
    difficult: bool = False
    instance: coco.Instance | None = None


@dataclass(frozen=True)
class Annotation:
    """What a file says of one image: (width, height) if it states them, its objects."""

    file: Path
    size: tuple[int, int] | None
    objects: tuple[Object, ...]


Entry = tuple[Path, str, Annotation]
"""The file, how it calls the image, what it says of it."""
Stamp = tuple[Path, int, int]
"""A file, its size and date."""


class Annotations(NamedTuple):
    """Image -> its annotation; how boxes are written; all images of the folder, where one has any; the files of them."""

    of: Mapping[str, Annotation] = {}
    convention: BoxConvention = "inclusive"
    images: Sequence[str] = ()
    files: frozenset[Path] = frozenset()


def read(root: Path) -> Annotations:
    """The annotations of the images of a folder, whichever kind it has, read once as long as no file of it changes.

    Raises: DataError for a malformed file, two kinds of files at once, or two annotations of an image.
    """
    files = tuple(stamped(root))
    return _read(root, files, tuple(readers.images_in(root))) if files else Annotations()


def stamped(root: Path) -> Iterator[Stamp]:
    """The XML and JSON files below a folder."""
    for prefix, names in readers.walk(root):
        for path in (root / prefix / name for name in sorted(names) if not name.startswith(".")):
            if path.suffix.lower() in SUFFIXES:
                status = path.stat()
                yield path, status.st_size, status.st_mtime_ns


@lru_cache(maxsize=2)
def _read(root: Path, files: tuple[Stamp, ...], images: tuple[str, ...]) -> Annotations:
    """The annotations of these images in those of the files that are VOC's or COCO's."""
    held = {path: entries for path, _, _ in files if (entries := entries_of(path)) is not None}
    first = {path.suffix.lower(): path for path in reversed(held)}
    if not held:
        return Annotations()
    if len(first) > 1:
        both = " and ".join(str(path.relative_to(root)) for path in first.values())
        raise DataError(f"{root}: expected boxes in one kind of file, got {both}; move one kind away.")
    entries = [entry for of_file in held.values() for entry in of_file]
    convention: BoxConvention = "one-based" if ".xml" in first else "half-open"
    return Annotations(matched(root, images, entries), convention, images, frozenset(held))


def entries_of(path: Path) -> list[Entry] | None:
    """What a file says; None for one of another kind. Raises: DataError for one that cannot be read."""
    if path.suffix.lower() == ".xml":
        tree = xml_boxes.root_of(path)
        return [(path, path.stem, of_voc(path, tree))] if tree.tag == "annotation" else None
    if coco.contents(path) is None:
        return None
    return [(path, picture.name, of_coco(path, picture)) for picture in coco.pictures(path) if picture.objects]


def of_voc(path: Path, tree: Element) -> Annotation:
    """What an XML file says of its image."""
    size, objects = xml_boxes.objects_of(tree, path, "one-based")
    return Annotation(path, size, tuple(Object(*item) for item in objects))


def of_coco(path: Path, picture: coco.Picture) -> Annotation:
    """What a JSON file says of one of its images."""
    return Annotation(path, picture.size, tuple(Object(one.name, one.box, instance=one) for one in picture.objects))


def matched(root: Path, images: Sequence[str], entries: Sequence[Entry]) -> dict[str, Annotation]:
    """Image -> its annotation; those of images that are not there are counted in the log."""
    named: dict[str, list[str]] = defaultdict(list)
    for path in images:
        named[PurePosixPath(path).stem].append(path)
    annotations: dict[str, Annotation] = {}
    absent: list[str] = []
    for file, name, annotation in entries:
        image = partner(root, file, name, named[PurePosixPath(name).stem if file.suffix.lower() == ".json" else name])
        if image is None:
            absent.append(name)
        elif image in annotations:
            both = f"{annotations[image].file} and {file}"
            raise DataError(f"{root / image}: expected one annotation of an image, got those of {both}; move one away.")
        else:
            annotations[image] = annotation
    if absent:
        log.warning("%s: not read: annotations of images that are not there: %s", root, listed(absent, 3))
    return annotations


def partner(root: Path, file: Path, name: str, images: Sequence[str]) -> str | None:
    """The image of an annotation among those of its stem; None where there is none.

    Raises: DataError where several fit alike.
    """
    if not images:
        return None
    base, split = file.parent.relative_to(root), split_among(words(root, file))
    whole = (PurePosixPath(base.as_posix()) / name).with_suffix("").parts
    if PurePosixPath(name).suffix and file.suffix.lower() == ".json":
        images = [image for image in images if PurePosixPath(image).name == PurePosixPath(name).name]

    def agreement(image: str) -> tuple[int, bool]:
        pairs = zip(reversed(whole), reversed(PurePosixPath(image).with_suffix("").parts), strict=False)
        same = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(whole), len(PurePosixPath(image).parts)))
        return same, split is not None and split in map(split_of, PurePosixPath(image).parts)

    best = max(map(agreement, images), default=(0, False))
    fitting = [image for image in images if agreement(image) == best]
    if len(fitting) > 1:
        raise DataError(
            f"{file}: expected one image {name}, got {listed(fitting, 2)}; give the names with their folders, or the files "
            "a split's."
        )
    return fitting[0] if fitting else None


def words(root: Path, file: Path) -> list[str]:
    """What may name the split of the images of a file: its folders, and the words of a JSON's name."""
    of_name = re.split(r"[_\W]+", file.stem) if file.suffix.lower() == ".json" else []
    return [*file.parent.relative_to(root).parts, *of_name]


def annotated(dataset: Dataset, annotations: Annotations, folders: Mapping[str, int]) -> Dataset:
    """The split with its boxes and masks; its pictures stand upright where the annotations' do.

    folders: class folder -> class index. Raises: DataError as `upright`.
    """
    if not annotations.of:
        return dataset
    names: dict[int, set[str]] = defaultdict(set)
    for folder, index in folders.items():
        names[index] |= {canonical(folder), canonical(dataset.classes[index])}
    known = {name for each in names.values() for name in each}
    by_name = any(canonical(o.name) in known for a in annotations.of.values() for o in a.objects)
    samples = [
        sample if sample.id not in annotations.of
        else with_objects(sample, annotations.of[sample.id], names[sample.label] if by_name else None)
        for sample in dataset.samples
    ]  # fmt: skip
    return replace(
        dataset,
        samples=tuple(samples),
        box_convention=annotations.convention,
        banner=decode.UPRIGHT if upright(samples) else dataset.banner,
        segments=decode.COCO if any(s.segmentation for s in samples) else dataset.segments,
    )


def with_objects(sample: Sample, annotation: Annotation, names: set[str] | None) -> Sample:
    """The sample with the objects of these names, None for all."""
    objects = [o for o in annotation.objects if names is None or canonical(o.name) in names]
    instances = [o.instance for o in objects if o.instance is not None]
    return replace(
        sample,
        boxes=tuple(o.box for o in objects),
        size=annotation.size,
        difficult=bool(objects) and all(o.difficult for o in objects),
        segmentation=coco.mask_path(annotation.file, instances),
    )


def upright(samples: Sequence[Sample]) -> bool:
    """Whether the annotations are of pictures that stand upright by their EXIF orientation, not of the stored pixels.

    Their sizes say so, of pictures whose tag exchanges the sides. Raises: DataError where some are of this and some of that.
    """
    ways: dict[bool, Sample] = {}
    for sample in samples:
        if sample.size is None:
            continue
        with decode.opened(sample.path) as image:
            stored, tag = image.size, decode.tag_of(image)
        if tag in decode.TURNED and stored[0] != stored[1] and sample.size in (stored, stored[::-1]):
            ways.setdefault(sample.size != stored, sample)
    if len(ways) > 1:
        raise DataError(
            f"{ways[True].path}: expected all sizes in the annotations to be of stored pixels, or all of upright pictures "
            f"(EXIF orientation), got this one upright and {ways[False].path} as stored; annotate them alike."
        )
    return True in ways
