"""Anyone's own images, `folder:PATH`: the class is the sub-folder.

PATH/<class>/**/image, one split called `all`; or PATH/train and PATH/val, PATH/test or both (`folder_splits` has their usual
names), each with class sub-folders. What is not read is counted on stderr.
Class index: rank of the folder's name in sorted order. PATH/classes.csv sets it instead, so that the outputs of a pretrained
network line up: a column `index`, a column `folder` or `wnid` (else the first other column), optionally a column `name`.
There are then max(index) + 1 classes; one without a row is called `class <index>`; a row may name no folder that is there.
PATH/boxes.csv (optional): `image,xmin,ymin,xmax,ymax`, image relative to PATH, 0-based inclusive, several lines an image.
In its place PASCAL VOC's XML or COCO's JSON, anywhere below PATH (`folder_boxes`); these may name the classes of pictures
that lie in no class folders (`folder_flat`).
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cambench.data import folder_boxes, folder_flat, folder_splits, readers
from cambench.data.folder_boxes import Annotations
from cambench.data.folder_splits import ALL, class_folders, no_classes, parts, place
from cambench.vocabulary import Box, DataError, Dataset, Sample

log = logging.getLogger("cambench.data")
BOX_COLUMNS = ("image", "xmin", "ymin", "xmax", "ymax")
Row = tuple[int, dict[str, str]]


@dataclass(frozen=True)
class Classes:
    """Folder -> class index, and the name of every class."""

    index: dict[str, int]
    names: tuple[str, ...]


def read(root: Path, split: str) -> Dataset:
    """One split, by class folder and path.

    Raises: DataError naming the folder, or the file and line, that is missing or malformed.
    """
    boxes, annotations = read_boxes(root), folder_boxes.read(root)
    if boxes and annotations.of:
        other = next(iter(annotations.of.values())).file.relative_to(root)
        raise DataError(f"{root}: expected boxes in one kind of file, got boxes.csv and {other}; move one away.")
    if folder_flat.is_flat(annotations):
        return read_flat(root, split, annotations)
    folder, classes, samples = place(root, split), class_index(root), []
    for name in readers.subfolders(folder):
        images = readers.images_in(folder / name)
        if images and name not in classes.index:
            raise DataError(f"{folder / name}: expected a class folder that {class_source(root)} has; add it there.")
        for path in (folder / name / image for image in images):
            key = path.relative_to(root).as_posix()
            samples.append(Sample(key, path, classes.index[name], tuple(boxes.get(key, ()))))
    overlooked(root, split, annotations.files)
    if not samples:
        raise no_classes(folder)
    dataset = Dataset("folder", split, root, classes.names, tuple(samples), "inclusive")
    return folder_boxes.annotated(dataset, annotations, classes.index)


def read_flat(root: Path, split: str, annotations: Annotations) -> Dataset:
    """One split of pictures whose classes their boxes name."""
    path, names = root / "classes.csv", folder_flat.names(annotations)
    classes = read_classes(path) if path.exists() else Classes({name: i for i, name in enumerate(names)}, tuple(names))
    places = folder_flat.places(root, annotations)
    own = [image for image in annotations.images if places.get(image) == split]
    notes = folder_flat.notes(annotations, own, split)
    samples = tuple(folder_flat.samples(root, annotations, classes.index, own))
    dataset = Dataset("folder", split, root, classes.names, samples, "inclusive", notes)
    return folder_boxes.annotated(dataset, annotations, classes.index)


def splits(root: Path) -> tuple[str, ...]:
    """`all`, or the splits that are there; the last one is for evaluation.

    Raises: DataError where there are neither splits nor classes.
    """
    annotations = folder_boxes.read(root)
    if folder_flat.is_flat(annotations):
        return folder_flat.splits(folder_flat.places(root, annotations))
    return folder_splits.splits(root)


@cache
def overlooked(root: Path, split: str, read: frozenset[Path]) -> None:
    """Say once what of a split's folder is not read: hidden folders, files that are no pictures, classes without any.

    read: the files of annotations.
    """
    folder = place(root, split)
    annotations = {path.relative_to(place).parts[0] for place in (root, folder) for path in read if place in path.parents}
    empty = sorted(set(readers.subfolders(folder)) - set(class_folders(folder)) - annotations)
    hidden = readers.subfolders(folder, hidden=True)
    others = [path for name in class_folders(folder) for path in readers.other_files(folder / name)]
    unread = [path.suffix.lower() for path in others if path not in read]
    aside = sorted(set(readers.subfolders(root)) - set(parts(root).values()) - annotations) if split != ALL else []
    kinds = ", ".join(f"{n} {suffix or 'without a suffix'}" for suffix, n in sorted(Counter(unread).items()))
    for names, one, several in (
        (hidden, "hidden folder", "hidden folders"),
        (unread, f"file of another kind ({kinds})", f"files of another kind ({kinds})"),
        (empty, "class folder without a picture", "class folders without a picture"),
        (aside, "folder beside the splits", "folders beside the splits"),
    ):
        if names:
            first = "" if names is unread else f", first {names[0]!r}"
            log.warning("%s: not read: %d %s%s", folder, len(names), one if len(names) == 1 else several, first)


def class_source(root: Path) -> str:
    """Where the classes come from, for messages."""
    if (root / "classes.csv").exists():
        return "classes.csv"
    folders = parts(root)
    return f"{folders.get('train', ' or '.join(folders.values()))}/"


def class_index(root: Path) -> Classes:
    """Class indices by classes.csv, else by the sorted folder names (of train, where the set has it, else of all splits)."""
    path = root / "classes.csv"
    if path.exists():
        return read_classes(path)
    every = folder_splits.splits(root)
    folders = [place(root, split) for split in (("train",) if "train" in every else every)]
    names = sorted({name for folder in folders for name in class_folders(folder)})
    return Classes({name: i for i, name in enumerate(names)}, tuple(names))


def read_classes(path: Path) -> Classes:
    """classes.csv as folder -> index and names, with a placeholder for an index that no row has."""
    rows = list(csv_rows(path, ("index",)))
    columns = list(rows[0][1])
    others = [c for c in columns if c not in ("index", "name")]
    key = next((c for c in others if c in ("folder", "wnid")), others[0] if others else None)
    if key is None:
        raise DataError(f"{path}:1: expected a column folder or wnid beside index, got {', '.join(columns)}; add it.")
    index: dict[str, int] = {}
    names: dict[int, str] = {}
    for line, row in rows:
        number = readers.whole(row["index"], path, line, high=readers.LAST_CLASS)
        if number in names:
            raise readers.malformed(path, line, "each index once", row["index"])
        if not row[key] or row[key] in index:
            raise readers.malformed(path, line, f"each {key} once", row[key])
        index[row[key]], names[number] = number, row.get("name") or row[key]
    total = max(names) + 1
    folders = {number: name for name, number in index.items()}
    ids = [folders.get(i, str(i)) for i in range(total)]
    return Classes(index, readers.distinct([names.get(i, f"class {i}") for i in range(total)], ids))


def read_boxes(root: Path) -> dict[str, list[Box]]:
    """boxes.csv as image -> boxes; {} without one. A box of an image that is not there is an error."""
    path = root / "boxes.csv"
    if not path.exists():
        return {}
    images = set(readers.images_in(root))
    boxes: dict[str, list[Box]] = defaultdict(list)
    for line, row in csv_rows(path, BOX_COLUMNS):
        if row["image"] not in images:
            raise readers.malformed(path, line, f"the path of an image below {root}", row["image"])
        boxes[row["image"]].append(readers.box([row[c] for c in BOX_COLUMNS[1:]], path, line))
    return boxes


def csv_rows(path: Path, required: tuple[str, ...]) -> Iterator[Row]:
    """The rows of a CSV file with a header, as (line, {column: text}).

    Raises: DataError for a header without the required columns, a row of another length, or no rows at all.
    """
    first, *rows = [*readers.csv_lines(path)] or [(1, [])]
    header = [name.strip().lower().lstrip("\ufeff") for name in first[1]]
    missing = [name for name in required if name not in header]
    if missing or not rows:
        got = f"{readers.shortened(' '.join(', '.join(header).split())) or 'nothing'} and {len(rows)} rows"
        raise DataError(f"{path}:1: expected a header with {', '.join(required)} and rows below it, got {got}; mend it.")
    for line, row in rows:
        if len(row) != len(header):
            raise readers.malformed(path, line, f"{len(header)} fields", ",".join(row))
        yield line, dict(zip(header, (cell.strip() for cell in row), strict=True))
