"""A digest of the annotations that a metric or a training reads, by the contents of their files.

Annotations are no part of a data set's fingerprint, so that what does not read them is not measured again when they change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cambench.data import arrays
from cambench.data.cub import attribute_names
from cambench.data.regions import BOXES, SEGMENTATION, png_of
from cambench.vocabulary import Dataset, Sample

PARTS, ATTRIBUTES = "parts", "attributes"


def digest(dataset: Dataset, kind: str) -> str:
    """16 hex digits over the annotations of all images, made once a data set that was loaded.

    kind: `segmentation` (masks, those of further instances and of what to ignore), `boxes` (of an image that has none, its
    segmentation, around which a box is drawn), `parts`, `attributes` (of the classes), else a folder of PNGs.
    Raises: DataError naming a file that cannot be read.
    """
    digests = dataset.annotation_digests
    return digests[kind] if kind in digests else digests.setdefault(kind, computed(dataset, kind))


def computed(dataset: Dataset, kind: str) -> str:
    """The digest, from the annotations and their files as they are now."""
    annotations = hashlib.blake2b(digest_size=8)
    sort = kind if kind in (SEGMENTATION, BOXES, PARTS, ATTRIBUTES) else "folder"
    annotations.update(json.dumps([sort, *about(dataset, sort)]).encode())
    files = [files_of(sample, kind) for sample in dataset.samples]
    contents = iter(dataset.digests([path for paths in files for path in paths]))
    for sample, paths in zip(dataset.samples, files, strict=True):
        annotations.update(json.dumps([*numbers(sample, sort), *(next(contents) for _ in paths)]).encode())
    return annotations.hexdigest()


def about(dataset: Dataset, kind: str) -> Iterator[Any]:
    """How a kind of annotation is read, and what it says of the classes."""
    if kind == BOXES:
        yield dataset.box_convention
    elif kind == SEGMENTATION:
        yield dataset.segments
    elif kind == ATTRIBUTES:
        yield from (dataset.attributes, attribute_names(dataset.root))


def numbers(sample: Sample, kind: str) -> Iterator[Any]:
    """What an image's annotation says in numbers."""
    if kind == BOXES:
        yield from (sample.boxes, sample.size, sample.difficult)
    elif kind == PARTS:
        yield sample.parts


def holder(path: Path) -> Path:
    """The file of a mask: its own, or the one of many masks (`coco`)."""
    return path.parent if arrays.inside(path) else path


def files_of(sample: Sample, kind: str) -> list[Path]:
    """The files of an image's annotation."""
    drawn = [sample.segmentation, *sample.instances, sample.ignore]
    if kind == SEGMENTATION:
        return [holder(path) for path in drawn if path is not None]
    if kind == BOXES:
        return [holder(sample.segmentation)] if sample.segmentation is not None and not sample.boxes else []
    return [] if kind in (PARTS, ATTRIBUTES) else [png_of(sample, kind)]
