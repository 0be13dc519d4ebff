"""Tiny ImageNet-200: 64 px photographs of 200 classes with a box each.

Box: 0-based, inclusive. Class index: rank of the wnid among the *sorted* lines of wnids.txt, as torchvision's folder reader
gives it (the file itself is not sorted); class name: first name in words.txt. Train images are those that are there (a part
of a class is counted, not refused); `val` is flat as distributed, or sorted into `val/<wnid>/[images/]`.
"""

from __future__ import annotations

from pathlib import Path

from cambench.data import readers, wordnet
from cambench.vocabulary import Box, DataError, Dataset, Sample

Annotation = tuple[str, Box]


def read(root: Path, split: str) -> Dataset:
    """One split (`train`, `val`): train by class and file name, val in the order of val_annotations.txt.

    Raises: DataError naming the file and line that are missing or malformed, or images without a label.
    """
    wnids = read_wnids(root)
    samples = readers.filled((read_train if split == "train" else read_val)(root, wnids), root / split, split)
    sets = wordnet.families(wnids)
    return Dataset("tiny-imagenet", split, root, class_names(root, wnids), samples, "inclusive", class_sets=sets)


def read_wnids(root: Path) -> list[str]:
    """The WordNet ids of the classes in the order of their indices."""
    return sorted(set(readers.entries(root / "wnids.txt")))


def class_names(root: Path, wnids: list[str]) -> tuple[str, ...]:
    """The first name of each wnid in words.txt, the wnid itself where words.txt has none."""
    words = {wnid: text for _, (wnid, text) in readers.table(root / "words.txt", 2, separator="\t", rest=True)}
    return readers.distinct([words.get(w, w).partition(",")[0] for w in wnids], wnids)


def read_train(root: Path, wnids: list[str]) -> list[Sample]:
    """Every picture below train/<wnid>/images, with its box where <wnid>_boxes.txt has one."""
    samples = []
    for label, wnid in enumerate(wnids):
        folder = readers.need(root / "train" / wnid / "images")
        boxes = train_boxes(root, wnid)
        for name in readers.images_in(folder):
            own = (boxes[name],) if name in boxes else ()
            samples.append(Sample(f"train/{wnid}/images/{name}", folder / name, label, own))
    return samples


def train_boxes(root: Path, wnid: str) -> dict[str, Box]:
    """Image name -> box of one class."""
    path = root / "train" / wnid / f"{wnid}_boxes.txt"
    rows = readers.table(path, 5, separator="\t")
    return {name: readers.box(texts, path, line) for line, (name, *texts) in rows}


def val_annotations(root: Path) -> dict[str, Annotation]:
    """Image name -> (wnid, box), in file order."""
    path = root / "val" / "val_annotations.txt"
    wnids = set(read_wnids(root))
    annotations: dict[str, Annotation] = {}
    for line, (name, wnid, *texts) in readers.table(path, 6, separator="\t"):
        if wnid not in wnids:
            raise readers.malformed(path, line, "a wnid of wnids.txt", wnid)
        annotations[name] = wnid, readers.box(texts, path, line)
    return annotations


def read_val(root: Path, wnids: list[str]) -> list[Sample]:
    """The annotated pictures, wherever below val/ they lie."""
    annotations = val_annotations(root)
    places = {Path(p).name: p for p in readers.images_in(readers.need(root / "val"))}
    if missing := [name for name in annotations if name not in places]:
        path = root / "val" / "val_annotations.txt"
        lacking = f"names {len(missing)} images that are not below {path.parent}, first {missing[0]}"
        raise DataError(f"{path}: {lacking}; {readers.AGAIN}.")
    rank = {wnid: i for i, wnid in enumerate(wnids)}
    return [
        Sample(f"val/images/{name}", root / "val" / places[name], rank[wnid], (box,))
        for name, (wnid, box) in annotations.items()
    ]


def audit(root: Path) -> list[str]:
    """Boxes of train images that are not there, train images without a box, class folders that wnids.txt does not name."""
    problems = []
    wnids = read_wnids(root)
    for wnid in wnids:
        images = readers.images_in(root / "train" / wnid / "images")
        path = root / "train" / wnid / f"{wnid}_boxes.txt"
        problems += readers.unpaired(path, train_boxes(root, wnid), images, "boxes", "no box for images")
    extra = sorted(set(readers.subfolders(root / "train")) - set(wnids))
    return problems + [f"{root / 'train' / wnid}: a class folder that wnids.txt does not name" for wnid in extra]
