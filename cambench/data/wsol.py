"""The WSOL benchmark's layout of CUB, ImageNet and OpenImages: train with labels, `val` and `test` with boxes or masks.

`metadata/{CUB,ILSVRC,OpenImages}/{train,val,test}/`: image_ids.txt, class_labels.txt (`path,label`, 0-based),
image_sizes.txt (`path,width,height`), localization.txt (`path,x0,y0,x1,y1`, several lines an image). Boxes are taken as
they are written, corners inclusive, as the evaluator reads them. Images lie below one folder or, as CALM's code has it, in
folders of their own for val (CUBV2, ImageNetV2). OpenImages has `path,mask,ignore` instead of boxes, a line an instance,
the mask of what to ignore on an image's first line alone, and no sizes. Source: CALM protocol §3.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cambench.data import readers, wordnet
from cambench.data.class_sets import SUPERSETS, of_birds
from cambench.data.decode import INSTANCES
from cambench.vocabulary import Box, DataError, Dataset, Sample, listed

FOLDERS = {
    "CUB": ("dataset/CUB", "CUB", "CUB/images", "CUB_200_2011/images", "CUBV2"),
    "ILSVRC": ("dataset/ILSVRC", "ILSVRC", "imagenet", "ImageNetV2"),
    "OpenImages": ("dataset/OpenImages", "OpenImages", "OpenImages30k"),
}
"""Set -> folders of the root below which an image's path may lie."""
CLASSES = {"CUB": 200, "ILSVRC": 1000, "OpenImages": 100}
IDS, LABELS = "image_ids.txt", "class_labels.txt"


def read_cub(root: Path, split: str) -> Dataset:
    """CUB-200-2011 with CUBV2 as `val`."""
    dataset = read(root, "CUB", split, "cub-wsol")
    return replace(dataset, class_sets=of_birds(dataset.classes))


def read_imagenet(root: Path, split: str) -> Dataset:
    """ImageNet-1k, its official val as `test`, ImageNetV2 (threshold 0.7) as `val`."""
    dataset, official = read(root, "ILSVRC", split, "imagenet-wsol"), wordnet.classes()
    wnids = [official[int(name)] if name.isdecimal() else name for name in dataset.classes]
    return replace(dataset, class_sets=wordnet.families(wnids))


def read_openimages(root: Path, split: str) -> Dataset:
    """OpenImages30k: 100 classes, masks of instances instead of boxes."""
    plain, metadata = read(root, "OpenImages", split, "openimages-30k"), root / "metadata" / "OpenImages" / split
    plain = replace(plain, class_sets={SUPERSETS: plain.classes})
    if split == "train":
        return plain
    masks = instance_masks(metadata / "localization.txt", [s.id for s in plain.samples])
    names = [name for of_image in masks.values() for name in of_image if name]
    paths = find_files(root, FOLDERS["OpenImages"], names, metadata / "localization.txt", "masks")
    place = dict(zip(names, paths, strict=True))

    def masked(sample: Sample) -> Sample:
        ignore, first, *others = masks[sample.id]
        more = tuple(place[name] for name in others)
        return replace(sample, segmentation=place[first], instances=more, ignore=place.get(ignore))

    return replace(plain, samples=tuple(map(masked, plain.samples)), segments=INSTANCES)


def read(root: Path, name: str, split: str, dataset: str) -> Dataset:
    """One split in the order of image_ids.txt; boxes for `val` and `test` only, where there are any.

    Raises: DataError naming the file and line that are missing or malformed, or the images that are not there.
    """
    metadata = readers.need(root / "metadata" / name / split)
    ids = readers.entries(metadata / IDS)
    labels = listed_labels(metadata / LABELS, name)
    readers.require_lines(metadata / LABELS, ids, labels, IDS)
    boxed = split != "train" and name != "OpenImages"
    boxes, sizes = (localisation(metadata, ids), image_sizes(metadata, ids)) if boxed else ({}, {})
    paths = find_files(root, FOLDERS[name], ids, metadata / IDS, "images")
    every = (Sample(i, p, labels[i], boxes.get(i, ()), sizes.get(i)) for i, p in zip(ids, paths, strict=True))
    samples = readers.filled(every, metadata / IDS, split)
    return Dataset(dataset, split, root, class_names(root / "metadata" / name, labels), samples, "inclusive")


def listed_labels(path: Path, name: str) -> dict[str, int]:
    """Image id -> class, of every line of a file. Raises: DataError for a class that the set does not have."""
    rows = readers.table(path, 2, separator=",")
    return {key: readers.whole(label, path, line, high=CLASSES[name] - 1) for line, (key, label) in rows}


def image_sizes(metadata: Path, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Image id -> (width, height)."""
    path = metadata / "image_sizes.txt"
    rows = readers.table(path, 3, separator=",")
    sizes = {k: (readers.whole(w, path, line, low=1), readers.whole(h, path, line, low=1)) for line, (k, w, h) in rows}
    readers.require_lines(path, ids, sizes, IDS)
    return sizes


def localisation(metadata: Path, ids: Sequence[str]) -> dict[str, tuple[Box, ...]]:
    """Image id -> its boxes."""
    path = metadata / "localization.txt"
    boxes: dict[str, list[Box]] = defaultdict(list)
    for line, (key, *corners) in readers.table(path, 5, separator=","):
        boxes[key].append(readers.box(corners, path, line))
    readers.require_lines(path, ids, boxes, IDS)
    return {key: tuple(of_image) for key, of_image in boxes.items()}


def instance_masks(path: Path, ids: Sequence[str]) -> dict[str, list[str]]:
    """Image id -> the mask of what to ignore ("": none), then the mask of each instance."""
    masks: dict[str, list[str]] = {}
    for line, (key, mask, ignore) in readers.table(path, 3, separator=","):
        if not mask or (ignore and key in masks):
            expected = "a mask" if not mask else "a mask to ignore on the image's first line alone"
            raise readers.malformed(path, line, expected, ",".join((key, mask, ignore)))
        masks.setdefault(key, [ignore]).append(mask)
    readers.require_lines(path, ids, masks, IDS)
    return masks


def find_files(root: Path, folders: Sequence[str], ids: Sequence[str], by: Path, kind: str) -> list[Path]:
    """The file of each image (or mask: `kind`) in the first folder that has it.

    Raises: DataError naming those that are in none.
    """
    places = [root / folder for folder in folders if (root / folder).is_dir()]
    paths = [next((place / i for place in places if (place / i).is_file()), None) for i in ids]
    if missing := [i for i, path in zip(ids, paths, strict=True) if path is None]:
        searched = ", ".join(str(root / folder) for folder in folders)
        raise DataError(f"{by}: names {kind} that are in none of {searched}: {listed(missing)}.")
    return [path for path in paths if path is not None]


def class_names(metadata: Path, labels: dict[str, int]) -> tuple[str, ...]:
    """The folder of each class where paths name it (`001.Black_footed_Albatross/…`, `train/<wnid>/…`), else its number."""
    train = metadata / "train" / LABELS
    rows = {**labels, **(listed_labels(train, metadata.name) if train.exists() else {})}
    folder: dict[int, str] = {}
    for key, label in rows.items():
        parts = key.split("/")[:-1]
        if parts and not parts[-1].isdecimal() and parts[-1] not in ("val", "val2"):
            folder.setdefault(label, parts[-1])
    names = [folder.get(i, str(i)) for i in range(1 + max(rows.values()))]
    return tuple(name.partition(".")[2].replace("_", " ") or name for name in names)
