"""Data sets by name: where each is looked for, what it must look like, and its splits as `vocabulary.Dataset`.

A name is `NAME` (a folder of the data root), `NAME:PATH` (that folder itself, or the one above it) or `folder:PATH`
(one's own images). Nothing is ever downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from cambench.data import content, episodes, readers
from cambench.data.by_name import in_order_of
from cambench.data.class_sets import ALL, one_set
from cambench.data.entry import DatasetEntry
from cambench.data.index import INDEX
from cambench.data.reading import kept, once
from cambench.data.subsets import describe, even_images, first_images, some_classes
from cambench.vocabulary import DataError, Dataset, UsageError

__all__ = [
    "INDEX",
    "DatasetEntry",
    "called",
    "describe",
    "function",
    "kept",
    "load",
    "locate",
    "reload",
    "resolve",
    "settled",
    "splits",
]


def resolve(name: str) -> tuple[DatasetEntry, Path | None]:
    """The entry and the explicit path of `NAME` or `NAME:PATH`.

    Raises: UsageError for an unknown name, or `folder` without a path.
    """
    key, colon, path = name.partition(":")
    try:
        entry = INDEX.find(key)
    except UsageError as e:
        if colon or not Path(name).is_dir():
            raise
        raise UsageError(f"{e} For one's own images in the folder {name} write folder:{name}.") from e
    if (colon or not entry.folders) and not path:
        raise UsageError(f"data set {name!r}: expected {entry.name}:PATH, got no path.")
    return entry, Path(path).expanduser() if path else None


def settled(name: str) -> str:
    """The same data set, named so that it is found from any working directory."""
    entry, path = resolve(name)
    return entry.name if path is None else f"{entry.name}:{path.resolve()}"


def called(name: str) -> str:
    """How a data set is recorded: its entry's name; one's own images with their folder's, `folder:flowers`."""
    entry, path = resolve(name)
    return entry.name if path is None or entry.folders else f"{entry.name}:{path.resolve().name}"


def function(target: str | Callable[..., Any]) -> Callable[..., Any]:
    """The function behind `module:function`."""
    if not isinstance(target, str):
        return target
    module, _, name = target.partition(":")
    named: Callable[..., Any] = getattr(import_module(module), name)
    return named


def candidates(entry: DatasetEntry, path: Path | None, root: Path) -> list[Path]:
    """Every folder in which the set may lie, best first."""
    bases = [path] if path is not None else [root / folder for folder in entry.folders] + [root / entry.name]
    return list(dict.fromkeys(bases + [base / folder for base in bases for folder in entry.folders]))


def anchored(entry: DatasetEntry, place: Path) -> bool:
    """Whether a folder has a file that marks the set's root."""
    return place.is_dir() and (not entry.anchors or any((place / anchor).exists() for anchor in entry.anchors))


def is_root(entry: DatasetEntry, place: Path) -> bool:
    """Whether a folder is the root of the set, and of no other that is laid out alike."""
    return anchored(entry, place) and (entry.own is None or bool(function(entry.own)(place)))


def locate(name: str, root: Path) -> Path:
    """The folder that holds the data set `name`, under the data root `root` or at its own path.

    Raises: DataError saying where it was looked for and how to obtain it.
    """
    entry, path = resolve(name)
    for place in candidates(entry, path, root):
        if is_root(entry, place):
            return place
    searched = path if path is not None else f"{root} (folder {' or '.join(entry.folders)})"
    expected = f"a folder with {' or '.join(entry.anchors)}" if entry.anchors else "a folder"
    elsewhere = "" if path is not None else " If it lies elsewhere, say --data-root DIR, CAMBENCH_DATA or NAME:PATH."
    other = next((place for place in candidates(entry, path, root) if anchored(entry, place)), None)
    got = f"none in {searched}" if other is None else f"{other}, which is another set in the same layout"
    raise DataError(f"{entry.name}: expected {expected}, found {got}. Obtain: {entry.obtain}.{elsewhere}")


def splits(name: str, root: Path) -> tuple[str, ...]:
    """The splits of the data set, the evaluation split last."""
    entry, _ = resolve(name)
    if entry.splits:
        return entry.splits
    from cambench.data import folder

    place = locate(name, root)
    with readers.reading(place):
        return folder.splits(place)


def load(
    name: str,
    split: str,
    root: Path,
    *,
    classes: int | Sequence[str] | None = None,
    limit: int | None = None,
    evenly: int | None = None,
    draw: episodes.Draw | None = None,
) -> Dataset:
    """One split, as its reader finds it; `eval` is the set's evaluation split.

    `classes` keeps the first so many classes, or those of the names, `limit` then the first so many images in file order,
    `evenly` so many from the first to the last; each leaves a note, as does a number of images that is not the official one.
    `draw`: what a seed draws from the set (`data.episodes`).
    Raises: UsageError for an unknown set or split, DataError where the data is missing or not what its layout promises.
    """
    entry, _ = resolve(name)

    def read(split: str) -> Dataset:
        return some_classes(official(name, split, root), classes)

    dataset = read(split) if draw is None else episodes.load(draw, split, read, splits(name, root), entry.labelled)
    origin = {"spec": settled(name), "split": dataset.split, "classes": classes, "limit": limit}
    drawn = {} if draw is None else {"draw": asdict(draw)}
    spread = {} if evenly is None else {"evenly": evenly}
    return replace(even_images(first_images(dataset, limit), evenly), origin={**origin, **spread, **drawn})


def reload(origin: Mapping[str, Any], root: Path) -> Dataset:
    """The images that a `Dataset.origin` describes. Nothing is made. Raises: DataError where they are not at hand."""
    locate(origin["spec"], root)
    options = {k: v for k, v in origin.items() if k not in ("spec", "split", "draw", "ordered")}
    dataset = load(origin["spec"], origin["split"], root, **options, draw=episodes.from_dict(origin.get("draw")))
    return in_order_of(dataset, origin["ordered"]) if "ordered" in origin else dataset


def official(name: str, split: str, root: Path) -> Dataset:
    """A whole split as its reader finds it, with the notes of the index and on its number of images."""
    entry, path = resolve(name)
    place = first_use(entry, root) if entry.make and path is None else locate(name, root)
    names = entry.splits or splits(name, root)
    split = names[-1] if split == "eval" else split
    if split not in names:
        mend = "put its images into train/ and val/" if split == "train" else "name one by --split"
        raise UsageError(f"{name}: expected split {' or '.join((*names, 'eval'))}, got {split!r}; {mend}.")
    with readers.reading(place):
        dataset = once((entry.name, place, split), lambda: function(entry.reader)(place, split))
    count = entry.counts.get(split, len(dataset))
    part = () if count == len(dataset) else (f"{len(dataset)} of the {count} official {split} images",)
    return replace(
        dataset,
        name=called(name),
        split=split,
        notes=(*entry.notes, *dataset.notes, *part),
        comparable=entry.comparable and dataset.comparable,
        class_sets={ALL: one_set(dataset.classes), **dataset.class_sets},
        digests=content.digests,
    )


def first_use(entry: DatasetEntry, root: Path) -> Path:
    """The place of a procedural set, which is made where it is not there yet."""
    try:
        return locate(entry.name, root)
    except DataError:
        function(entry.make or "")(root / entry.folders[0])
        return locate(entry.name, root)
