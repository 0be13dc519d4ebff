"""UnRel: photographs of unusual relations, with boxes of every object. Box: 1-based, inclusive. Evaluation only.

The unit is a pair of an image and a category of ImageNet that it holds: the sample `3.jpg#dog` has the boxes of the dogs in
3.jpg, and any of the indices of `dog` is right. A map says which categories are used, and their indices: `categories.csv`
in the data set's folder, else the one beside this file (`unrel_categories.csv`, CGC protocol §B; copy it and edit the
copy). The paper names neither its 28 categories nor their indices, so no number is comparable with it (CGC protocol §3.6).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cambench.data import decode, matlab, readers
from cambench.data.folder import csv_rows
from cambench.vocabulary import Box, DataError, Dataset, Sample, listed

ANNOTATIONS = "annotations.mat"
OWN_MAP, MAP = "categories.csv", Path(__file__).with_name("unrel_categories.csv")
FIELDS = {"filename": str, "objects": object}
CLASSES = 1000


@dataclass(frozen=True)
class Category:
    """A category of the map: its name and the class indices that are right for it, ascending."""

    name: str
    indices: tuple[int, ...]


def read(root: Path, split: str) -> Dataset:
    """The only split, `test`: pairs in the order of annotations.mat, of one image in the order of its first objects.

    Raises: DataError naming what is missing or malformed in the annotations or the map.
    """
    source = root / ANNOTATIONS
    rows = matlab.structs(source, "annotations", FIELDS)
    readers.require_images([row["filename"] for row in rows], root / "images", source)
    mapped = categories(map_file(root))
    pairs = [list(pairs_of(row, f"{source}: annotations({i})", root, mapped)) for i, row in enumerate(rows, 1)]
    samples = tuple(sample for of_image in pairs for sample in of_image)
    if not samples:
        raise DataError(f"{source}: expected objects of the categories in {map_file(root)}, got none; mend the map.")
    used = {sample.id.partition("#")[2] for sample in samples}
    total = len(set(mapped.values()))
    notes = [f"the paper's category list is not recoverable; {len(used)} of {total} categories of {map_name(root)} used"]
    if boxless := sum(not of_image for of_image in pairs):
        notes.append(f"{boxless} of {len(rows)} images without any of these categories are left out")
    notes += turned(samples)
    return Dataset("unrel", split, root, class_names(), samples, "one-based", tuple(notes))


def pairs_of(row: Mapping[str, Any], place: str, root: Path, mapped: Mapping[str, Category]) -> Iterator[Sample]:
    """The pairs of one image, whose annotation lies at `place`."""
    boxes: dict[Category, list[Box]] = {}
    for i, item in enumerate(cells(row["objects"], f"{place}.objects"), 1):
        here = f"{place}.objects({i})"
        if not isinstance(item, dict) or not {"category", "box"} <= set(item):
            raise readers.broken(here, "the fields category and box", "another object")
        category = mapped.get(matlab.single(item["category"], str, f"{here}.category").strip())
        if category is not None:
            corners = cells(item["box"], f"{here}.box")
            box = readers.box_of([matlab.single(v, float, f"{here}.box") for v in corners], here, "one-based")
            boxes.setdefault(category, []).append(box)
    name = row["filename"]
    for category, of_category in boxes.items():
        path, indices = root / "images" / name, category.indices
        yield Sample(f"{name}#{category.name}", path, indices[0], tuple(of_category), labels=indices)


def cells(value: Any, place: str) -> list[Any]:
    """A MATLAB cell array as a list; a single struct comes without a list. Raises: DataError for a text or a number."""
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list) and not (isinstance(value, np.ndarray) and value.ndim == 1):
        raise readers.broken(place, "a list", readers.type_of(value))
    return list(value)


def map_file(root: Path) -> Path:
    """The map of categories that is used: the one in the data set's folder, else the package's."""
    return root / OWN_MAP if (root / OWN_MAP).exists() else MAP


def map_name(root: Path) -> str:
    """How the map is called in a footnote."""
    return f"its folder's {OWN_MAP}" if map_file(root) != MAP else "the default map"


def categories(path: Path) -> dict[str, Category]:
    """Name in the annotations -> category. Columns: category (`shoe|shoes`: several names), indices (`12 151-268`).

    Raises: DataError naming the line.
    """
    by_name: dict[str, Category] = {}
    for line, row in csv_rows(path, ("category", "indices")):
        names = [name.strip() for name in row["category"].split("|")]
        indices = sorted({index for word in row["indices"].split() for index in span(word, path, line)})
        if not indices or not all(names) or set(names) & set(by_name):
            expected = "a category that is named once, and its class indices"
            raise readers.malformed(path, line, expected, ",".join(row.values()))
        by_name |= dict.fromkeys(names, Category(names[0], tuple(indices)))
    return by_name


def span(word: str, path: Path, line: int) -> range:
    """`12` or `151-268`, both ends included."""
    low, dash, high = word.partition("-")
    first = readers.whole(low, path, line, high=CLASSES - 1)
    return range(first, 1 + (readers.whole(high, path, line, low=first, high=CLASSES - 1) if dash else first))


def class_names() -> tuple[str, ...]:
    """The names of ImageNet's classes, as torchvision's weights carry them."""
    from torchvision.models import ResNet18_Weights

    names = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    return readers.distinct(names, [str(i) for i in range(CLASSES)])


def turned(samples: tuple[Sample, ...]) -> list[str]:
    """The note on images that carry an orientation tag, which is ignored because boxes are given in stored pixels."""
    paths = dict.fromkeys(sample.path for sample in samples)
    names = [path.name for path in paths if decode.orientation(path) != 1]
    return [f"orientation tag ignored in {len(names)} of {len(paths)} images: {listed(names)}"] if names else []


def audit(root: Path) -> list[str]:
    """Images that no annotation names."""
    named = {row["filename"] for row in matlab.structs(root / ANNOTATIONS, "annotations", FIELDS)}
    loose = [name for name in readers.images_in(root / "images") if name not in named]
    return [f"{root}: {len(loose)} images without an annotation, first {loose[0]}"] if loose else []
