"""COCO's JSON of boxes and masks: what it says of each image, and its masks as pixels.

Boxes are [x, y, width, height], masks polygons or run lengths (RLE, compressed or not). Crowds (`iscrowd` = 1), which are no
single objects, are left out. A mask has a path within its file, as `arrays` has pictures: `instances.json/3+17` is the union
of the annotations 3 and 17, counted from 0 as the file lists them.
Source: COCO's data format; its RLE is column by column, beginning with a run of zeros.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from reprlib import repr as brief
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cambench.data import readers
from cambench.vocabulary import Box, DataError

KEYS, IDS = ("images", "annotations", "categories"), ("id", "image_id", "category_id")
BAND = 256
"""Rows of a mask that are drawn at once: what it takes is a hundred bytes a pixel."""
DIGITS = 60
"""Bits of a number in the compressed text: more are none."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Instance:
    """One object: its category's name, its box (half-open), its number in the file, whether it has a mask."""

    name: str
    box: Box
    number: int
    masked: bool


@dataclass(frozen=True)
class Picture:
    """One image of the file: its name as it stands there, (width, height) if stated, its objects."""

    name: str
    size: tuple[int, int] | None
    objects: tuple[Instance, ...]


def contents(path: Path) -> Mapping[str, Any] | None:
    """What the file holds, read once as long as it does not change; None where it is JSON of another kind.

    Raises: DataError if it is no JSON.
    """
    status = readers.need(path).stat()
    return _contents(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _contents(path: Path, size: int, changed: int) -> Mapping[str, Any] | None:
    """The file, for one size and date of it."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as e:
        raise DataError(f"{path}: expected JSON, got {e}; write it again or move it away.") from e
    if not isinstance(held, dict) or not all(isinstance(held.get(key), list) for key in KEYS):
        return None
    for key in KEYS:
        if wrong := [entry for entry in held[key] if not is_object(entry)]:
            got = f"{len(wrong)} others, first {brief(wrong[0])}"
            raise DataError(f"{path}: expected objects in {key}, whose ids are numbers or texts, got {got}; mend it.")
    return held


def is_object(entry: Any) -> bool:
    """Whether an entry of a list is an object, and what it gives as ids may be compared."""
    return isinstance(entry, dict) and all(isinstance(entry.get(key, ""), str | float | int | None) for key in IDS)


def pictures(path: Path) -> list[Picture]:
    """The images of a file and their objects, in its order; annotations without a box (captions) count for nothing.

    Raises: DataError naming the image or annotation that is not what the format promises.
    """
    held = contents(path)
    if held is None:
        return []
    names = {category.get("id"): name_of(category, path) for category in held["categories"]}
    objects: dict[Any, list[Instance]] = {image.get("id"): [] for image in held["images"]}
    for number, annotation in enumerate(held["annotations"]):
        if annotation.get("bbox") is None or annotation.get("iscrowd"):
            continue
        place = f"{path}: annotation {annotation.get('id', number)}"
        for key, known, what in (("image_id", objects, "an image"), ("category_id", names, "a category")):
            if annotation.get(key) is None or annotation[key] not in known:
                raise DataError(
                    f"{place}: expected the id of {what} listed there, got {brief(annotation.get(key))}; mend it."
                )
        box = box_of(annotation["bbox"], place)
        masked = bool(annotation.get("segmentation"))
        objects[annotation["image_id"]].append(Instance(names[annotation["category_id"]], box, number, masked))
    return [picture(image, tuple(objects[image.get("id")]), path) for image in held["images"]]


def name_of(category: Mapping[str, Any], path: Path) -> str:
    """The name of a category. Raises: DataError where it has none, or one that no file could hold."""
    name = category.get("name")
    if not isinstance(name, str) or any("\ud800" <= c <= "\udfff" for c in name):
        raise DataError(f"{path}: category {brief(category.get('id'))}: expected a name, got {brief(name)}; mend it.")
    return name


def picture(image: Mapping[str, Any], objects: tuple[Instance, ...], path: Path) -> Picture:
    """One image of the file. Raises: DataError where it has no name, or a size that is none."""
    name, size = image.get("file_name"), (image.get("width"), image.get("height"))
    if not isinstance(name, str) or not name:
        raise DataError(f"{path}: image {brief(image.get('id'))}: expected a file_name, got {brief(name)}; mend it.")
    if size == (None, None):
        return Picture(name, None, objects)
    sides = all(type(side) is int and side > 0 for side in size)
    if not sides or image["width"] * image["height"] > readers.LARGEST:
        raise DataError(f"{path}: image {name}: expected width and height in pixels, got {brief(size)}; mend it.")
    return Picture(name, (int(image["width"]), int(image["height"])), objects)


def box_of(bbox: Any, place: str) -> Box:
    """[x, y, width, height] as a half-open box. Raises: DataError where it is none."""
    numbers = isinstance(bbox, list) and all(isinstance(v, int | float) and abs(v) <= readers.FARTHEST for v in bbox)
    if not numbers or len(bbox) != 4 or bbox[2] <= 0 or bbox[3] <= 0:
        raise DataError(f"{place}: expected a bbox [x, y, width, height] of some size, got {brief(bbox)}; mend it.")
    x, y, width, height = bbox
    return x, y, x + width, y + height


def mask_path(path: Path, objects: Sequence[Instance]) -> Path | None:
    """The path of the mask that some objects have together; None where one of them has none."""
    if not objects or not all(one.masked for one in objects):
        return None
    return path / "+".join(str(one.number) for one in objects)


def mask(path: Path) -> Mask:
    """(H,W) bool: the pixels of the objects that the path names.

    Raises: DataError where a polygon or a run length is not what the format promises.
    """
    held = contents(path.parent)
    if held is None:
        raise DataError(f"{path.parent}: expected COCO's {', '.join(KEYS)}, got other JSON; put the file back.")
    annotations = [held["annotations"][int(number)] for number in path.name.split("+")]
    image = next(image for image in held["images"] if image.get("id") == annotations[0]["image_id"])
    size = image.get("height"), image.get("width")
    shown = np.zeros(size, dtype=np.bool_) if None not in size else None
    for number, annotation in zip(path.name.split("+"), annotations, strict=True):
        place = f"{path.parent}: annotation {annotation.get('id', number)}"
        one = drawn(annotation["segmentation"], size, place)
        if shown is not None and one.shape != shown.shape:
            raise DataError(f"{place}: expected a mask of {size[1]}x{size[0]}, got {one.shape[1]}x{one.shape[0]}; mend it.")
        shown = one if shown is None else shown | one
    assert shown is not None
    return shown


def drawn(segmentation: Any, size: tuple[Any, Any], place: str) -> Mask:
    """One annotation's mask; size: (height, width) of its image."""
    try:
        if isinstance(segmentation, dict):
            counts, (height, width) = segmentation["counts"], segmentation["size"]
            return from_runs(unpacked(counts) if isinstance(counts, str) else counts, height, width)
        return polygons(segmentation, size)
    except (KeyError, OverflowError, TypeError, ValueError) as e:
        raise DataError(f"{place}: expected polygons or run lengths, got none that can be drawn ({e}); mend it.") from e


def polygons(segmentation: Sequence[Sequence[float]], size: tuple[int, int]) -> Mask:
    """The pixels whose centres lie in any of the polygons [x0, y0, x1, y1, …], corners of pixels being whole numbers.

    Raises: ValueError for one of fewer than three corners.
    """
    from matplotlib.path import Path as Outline

    height, width = size
    shown = np.zeros((height, width), dtype=np.bool_)
    for flat in segmentation:
        corners = np.asarray(flat, dtype=np.float64).reshape(-1, 2)
        if len(corners) < 3 or not np.isfinite(corners).all():
            raise ValueError(f"a polygon of {len(corners)} corners")
        left, top = np.clip(np.floor(corners.min(0)), 0, (width, height)).astype(int)
        right, bottom = np.clip(np.ceil(corners.max(0)), 0, (width, height)).astype(int)
        for upper in range(top, bottom, BAND):
            lower = min(upper + BAND, bottom)
            x, y = np.meshgrid(np.arange(left, right) + 0.5, np.arange(upper, lower) + 0.5)
            inside = Outline(corners).contains_points(np.stack([x.ravel(), y.ravel()], 1))
            shown[upper:lower, left:right] |= inside.reshape(x.shape)
    return shown


def from_runs(counts: Sequence[int], height: int, width: int) -> Mask:
    """Run lengths of zeros and ones in turn, column by column: (H,W) bool. Raises: ValueError where they do not add up."""
    runs = np.asarray(counts, dtype=np.int64)
    if min(height, width) < 0 or height * width > readers.LARGEST:
        raise ValueError(f"sides of {width} and {height}, where pixels are at most {readers.LARGEST:,} in all")
    if (runs < 0).any() or (runs > readers.LARGEST).any() or runs.sum() != height * width:
        raise ValueError(f"runs of {runs.sum()} pixels for {width}x{height}")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(width, height).T


def unpacked(text: str) -> list[int]:
    """The run lengths in COCO's compressed text.

    A number is five bits a character, the lowest first, character − 48 being bits | 32 where more follow; its last
    character's fifth bit is the sign. From the fourth on a number is what is added to the one two before it.
    Raises: ValueError for a text that ends within a number, or has too long a one.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32 and shift > DIGITS:
            raise ValueError(f"a number of more than {DIGITS} bits")
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("a text that ends within a number")
    return runs
