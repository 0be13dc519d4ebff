"""CUB-200-2011: birds with boxes, part locations, class attributes and segmentations; synthbirds is written in this layout.

Box: `x y width height` in floating pixels becomes (x, y, x+width, y+height), half-open (CGC protocol §3.2).
Class order: class id. Sample id: the image's path below `images/`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from cambench.data import readers
from cambench.data.class_sets import of_birds
from cambench.vocabulary import Box, Dataset, Sample

Part = tuple[int, float, float]
T = TypeVar("T")


def read(root: Path, split: str) -> Dataset:
    """One split (`train`, `test`) from the whitespace tables, in the order of the image ids.

    Raises: DataError naming the file and line that are missing or malformed, or the images that are not there.
    """
    names = by_id(root / "images.txt", text, rest=True)
    classes = class_names(root)
    labels = by_id(root / "image_class_labels.txt", lambda f, *at: readers.whole(f[0], *at, low=1, high=len(classes)) - 1)
    train = by_id(root / "train_test_split.txt", lambda f, *at: readers.whole(f[0], *at, high=1) == 1)
    boxes = by_id(root / "bounding_boxes.txt", corners, columns=5)
    for file, values in (("image_class_labels.txt", labels), ("train_test_split.txt", train), ("bounding_boxes.txt", boxes)):
        same_ids(root / file, names, values)
    readers.require_images(names.values(), root / "images", root / "images.txt")
    parts, masks = part_locations(root), segmentation_folder(root)
    every = (
        Sample(name, root / "images" / name, labels[i], (boxes[i],), None, parts.get(i, ()), mask_of(masks, name))
        for i, name in names.items()
        if train[i] == (split == "train")
    )
    samples = readers.filled(every, root / "train_test_split.txt", split)
    attributes, sets = class_attributes(root, len(classes)), of_birds(classes)
    return Dataset("cub", split, root, classes, samples, "half-open", attributes=attributes, class_sets=sets)


def is_photographs(root: Path) -> bool:
    """Whether a folder in this layout is CUB itself: a procedural set in it says so in synthbirds.json."""
    return not (root / "synthbirds.json").exists()


def by_id(path: Path, value: Callable[[list[str], Path, int], T], *, columns: int = 2, rest: bool = False) -> dict[int, T]:
    """`id …` lines as a dict in file order, the fields after the id read by `value`; an id that comes twice is an error."""
    values: dict[int, T] = {}
    for line, (key, *fields) in readers.table(path, columns, rest=rest):
        number = readers.whole(key, path, line, low=1)
        if number in values:
            raise readers.malformed(path, line, "each id once", key)
        values[number] = value(fields, path, line)
    return values


def text(fields: list[str], path: Path, line: int) -> str:
    """The only field as it stands."""
    return fields[0]


def corners(fields: list[str], path: Path, line: int) -> Box:
    """x y width height -> half-open corners."""
    x, y, width, height = (readers.decimal(t, path, line) for t in fields)
    box = x, y, x + width, y + height
    if readers.empty(box, "half-open"):
        raise readers.malformed(path, line, "a width and height above 0", " ".join(fields))
    return box


def same_ids(path: Path, names: Mapping[int, object], values: Mapping[int, object]) -> None:
    """The table must have a line for each image of images.txt, and for no other."""
    readers.require_lines(path, names, values, "images.txt")
    if extra := sorted(values.keys() - names.keys()):
        raise readers.broken(path, "ids of images.txt", f"{extra[0]}, which is not there")


def class_names(root: Path) -> tuple[str, ...]:
    """`1 001.Black_footed_Albatross` -> "Black footed Albatross", in the order of the ids 1..C."""
    path = root / "classes.txt"
    folders = by_id(path, text, rest=True)
    ids = sorted(folders)
    if ids != list(range(1, len(folders) + 1)):
        raise readers.broken(path, f"the class ids 1 to {len(folders)}", f"{ids[0]} to {ids[-1]}")
    plain = [folders[i].partition(".")[2] or folders[i] for i in ids]
    return readers.distinct([name.replace("_", " ") for name in plain], [str(i) for i in ids])


def part_locations(root: Path) -> dict[int, tuple[Part, ...]]:
    """Image id -> visible (part id, x, y), the ids 1..P being those of parts.txt; {} without `parts/`."""
    path = root / "parts" / "part_locs.txt"
    if not path.exists():
        return {}
    names = by_id(root / "parts" / "parts.txt", text, rest=True)
    visible: dict[int, list[Part]] = defaultdict(list)
    for line, (key, part, x, y, shown) in readers.table(path, 5):
        number = readers.whole(part, path, line, low=1, high=len(names))
        point = readers.decimal(x, path, line), readers.decimal(y, path, line)
        if readers.whole(shown, path, line, high=1):
            visible[readers.whole(key, path, line, low=1)].append((number, *point))
    return {i: tuple(parts) for i, parts in visible.items()}


def class_attributes(root: Path, classes: int) -> tuple[tuple[float, ...], ...]:
    """Percentages, one row a class in class order; () without `attributes/`."""
    path = root / "attributes" / "class_attribute_labels_continuous.txt"
    if not path.exists():
        return ()
    rows = [tuple(readers.decimal(t, path, line) for t in row.split()) for line, row in readers.lines(path)]
    lengths = {len(row) for row in rows}
    if len(rows) != classes or len(lengths) != 1:
        raise readers.broken(path, f"{classes} rows of equal length", f"{len(rows)} rows of {sorted(lengths)} numbers")
    return tuple(rows)


def attribute_names(root: Path) -> tuple[str, ...]:
    """The attribute names in the order of the columns of `Dataset.attributes`.

    attributes.txt lies at the archive's top level, beside the folder CUB_200_2011; copies inside it are taken too.
    """
    places = [root / "attributes.txt", root / "attributes" / "attributes.txt", root.parent / "attributes.txt"]
    path = next((p for p in places if p.exists()), places[0])
    names = by_id(path, text, rest=True)
    return tuple(names[i] for i in sorted(names))


def segmentation_folder(root: Path) -> Path | None:
    """`segmentations/` (an archive of its own), inside the root or beside it; None where it was not unpacked."""
    return next((p for p in (root / "segmentations", root.parent / "segmentations") if p.is_dir()), None)


def mask_of(folder: Path | None, name: str) -> Path | None:
    """The segmentation of an image, None where there is none."""
    path = folder / Path(name).with_suffix(".png") if folder is not None else None
    return path if path is not None and path.exists() else None
