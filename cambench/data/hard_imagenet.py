"""Hard ImageNet: masks of 15 classes of ImageNet-1k with telling surroundings (ContrastiveCAM protocol §4).

The archive holds only masks, `{train,val}/<wnid>_<ImageNet file>`; the images are ImageNet's own, looked for in the folders
of the data set `imagenet` inside this one or beside it. Class index: position in meta/hard_imagenet_idx.pkl. A mask's pixel
above 127 shows the object: what is less is noise of the JPEG coding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cambench.data import pickles, readers
from cambench.data.imagenet import image_folder
from cambench.data.index import INDEX
from cambench.vocabulary import DataError, Dataset, Sample

NAMES = {
    537: "dog sled", 379: "howler monkey", 785: "seat belt", 795: "ski", 837: "sunglasses", 433: "swimming cap",
    416: "balance beam", 602: "horizontal bar", 706: "patio", 746: "hockey puck", 655: "miniskirt",
    810: "keyboard space bar", 890: "volleyball", 981: "baseball player", 801: "snorkel",
}  # fmt: skip
"""ImageNet index -> the name of the class, in the order of the release."""

INDICES, WNIDS, RANKS = "meta/hard_imagenet_idx.pkl", "meta/idx_to_wnid.pkl", "paths_by_rank2.pkl"
IMAGENET = 1000
"""ImageNet-1k's classes."""
BALANCED = 100
"""First and last images of a class's ranking that the balanced train split takes."""


def read(root: Path, split: str) -> Dataset:
    """One split (`train`, `val`) in the order of the masks' names.

    Raises: DataError naming what is missing or malformed: metadata, masks, ImageNet, images.
    """
    indices, wnids = class_list(root)
    rank = {wnid: i for i, wnid in enumerate(wnids)}
    images = image_folder(imagenet(root), split)
    samples = []
    for name in readers.images_in(readers.need(root / split)):
        wnid, _, file = name.partition("_")
        if wnid not in rank or not file:
            raise readers.broken(root / split / name, f"a mask called <one of the {len(rank)} wnids>_<file>", "another name")
        path = next((p for p in (images / wnid / file, images / file) if p.is_file()), images / wnid / file)
        samples.append(Sample(f"{split}/{wnid}/{file}", path, rank[wnid], segmentation=root / split / name))
    if not samples:
        raise readers.broken(root / split, "masks", "none")
    if missing := [s.path for s in samples if not s.path.is_file()]:
        text = f"{root / split}: {len(missing)} of {len(samples)} masks are of images that are not in {images}"
        raise DataError(f"{text}, first {missing[0]}; complete ImageNet there.")
    classes = tuple(NAMES.get(index, wnid) for index, wnid in zip(indices, wnids, strict=True))
    return Dataset("hard-imagenet", split, root, classes, tuple(samples), segments="above-127")


def read_balanced(root: Path, split: str) -> Dataset:
    """The same val; train is, per class, the 100 first and the 100 last images of the ranking by spurious strength.

    Source: the balanced subset of the suite's DFR rows (ContrastiveCAM protocol §1.2). In the order of the ranking.
    """
    dataset = replace(read(root, split), name="hard-imagenet-balanced")
    if split != "train":
        return dataset
    place = {p.name: s for s in dataset.samples for p in (s.path, s.segmentation or s.path)}
    balanced = defaultdict[int, dict[str, Sample]](dict)
    for ranking in rankings(root):
        names = [Path(name).name for name in ranking]
        if unknown := [name for name in names if name not in place]:
            raise readers.broken(root / RANKS, "images of train/", f"{unknown[0]}, which has no mask")
        for name in (*names[:BALANCED], *names[-BALANCED:]):
            balanced[place[name].label][name] = place[name]
    short = [name for i, name in enumerate(dataset.classes) if len(balanced[i]) < 2 * BALANCED]
    note = (f"fewer than {2 * BALANCED} ranked images in {len(short)} classes, first {short[0]}",) if short else ()
    samples = tuple(s for label in sorted(balanced) for s in balanced[label].values())
    return replace(dataset, samples=samples, notes=(*dataset.notes, *note))


def class_list(root: Path) -> tuple[list[int], list[str]]:
    """The ImageNet indices of the classes in the order of their labels, and their wnids."""
    indices, wnids = pickles.load(root / INDICES), pickles.load(root / WNIDS)
    whole = isinstance(indices, Sequence) and all(type(i) is int and 0 <= i < IMAGENET for i in indices)
    if not whole or not indices:
        raise readers.broken(root / INDICES, "a list of ImageNet indices", readers.type_of(indices))
    wnid_of = wnids if isinstance(wnids, Mapping) else {}
    if missing := [i for i in indices if not isinstance(wnid_of.get(i), str)]:
        raise readers.broken(root / WNIDS, "the wnid of each index", f"none for {missing[0]}")
    return list(indices), [wnid_of[i] for i in indices]


def rankings(root: Path) -> Iterator[Sequence[str]]:
    """The ranked image paths of each class. Which class it is follows from the images; the keys are not used."""
    by_class = pickles.load(root / RANKS)
    if not isinstance(by_class, Mapping) or not by_class:
        raise readers.broken(root / RANKS, "lists of image paths by class", readers.type_of(by_class))
    for paths in by_class.values():
        if not isinstance(paths, Sequence) or not all(isinstance(p, str) for p in paths):
            raise readers.broken(root / RANKS, "image paths of each class", readers.type_of(paths))
        yield paths


def imagenet(root: Path) -> Path:
    """The folder of ImageNet-1k, inside this set's own or beside it.

    Raises: DataError saying where it was looked for.
    """
    entry = INDEX["imagenet"]
    places = [base / folder for base in (root, root.parent) for folder in entry.folders]
    for place in places:
        if any((place / anchor).exists() for anchor in entry.anchors):
            return place
    raise DataError(
        f"{root}: expected ImageNet-1k, of whose images these are masks, as a folder {' or '.join(entry.folders)} in "
        f"{root.parent} or in the set itself, found none; put it or a link to it there. Obtain: {entry.obtain}."
    )
