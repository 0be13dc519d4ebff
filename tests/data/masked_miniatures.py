"""The official layouts of the sets with segmentations, in miniature: Food-101 too. Each returns the set's own folder."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from data.miniatures import picture, write
from PIL import Image
from scipy.io import savemat
from scipy.sparse import csc_matrix

HARD_WNIDS = {537: "n03218198", 379: "n02493793", 785: "n04162706"}
"""Dog sled, howler monkey, seat belt: in the order of the release, which is not that of the wnids."""


def food101(data_root: Path) -> Path:
    """food-101 of three classes: 2 train and 1 test images each, with the JSON twins."""
    root = data_root / "food-101"
    classes = ("apple_pie", "baby_back_ribs", "baklava")
    write(root / "meta" / "classes.txt", *classes)
    write(root / "meta" / "labels.txt", *(c.replace("_", " ").capitalize() for c in classes))
    keys = {"train": [f"{c}/{100 + n}" for c in reversed(classes) for n in range(2)], "test": [f"{c}/7" for c in classes]}
    for split, names in keys.items():
        write(root / "meta" / f"{split}.txt", *names)
        write(root / "meta" / f"{split}.json", "{}")
        for i, name in enumerate(names):
            picture(root / "images" / f"{name}.jpg", seed=i)
    return root


def save_pickle(path: Path, value: Any, protocol: int = 4) -> Path:
    """A pickle file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, protocol))
    return path


def hard_imagenet(data_root: Path, *, flat: bool = False, per_class: int = 5) -> Path:
    """hard-imagenet of three classes beside an ImageNet tree: `per_class` train and two val images each.

    Train masks are JPEGs with noise in the background, val masks PNGs that are called JPEG. The ranking of a class is
    that of its numbers, downwards, as mask names in the first class and as image paths in the others.
    """
    root, imagenet = data_root / "hard-imagenet", data_root / "imagenet"
    save_pickle(root / "meta" / "hard_imagenet_idx.pkl", list(HARD_WNIDS))
    save_pickle(root / "meta" / "idx_to_wnid.pkl", {0: "n01440764", **HARD_WNIDS}, protocol=2)
    ranks: dict[int, list[str]] = {}
    for label, (index, wnid) in enumerate(HARD_WNIDS.items()):
        files = {f"{wnid}_{n}.JPEG": "train" for n in range(per_class)}
        files |= {f"ILSVRC2012_val_{10 * label + n:08d}.JPEG": "val" for n in range(2)}
        for i, (file, split) in enumerate(files.items()):
            folder = imagenet / split if flat and split == "val" else imagenet / split / wnid
            picture(folder / file, seed=100 * label + i)
            mask = np.full((30, 40), 7, np.uint8)
            mask[5:20, 8:24] = 250
            (root / split).mkdir(exist_ok=True)
            kind = "JPEG" if split == "train" else "PNG"
            Image.fromarray(mask).save(root / split / f"{wnid}_{file}", format=kind)
        names = [f"{wnid}_{n}.JPEG" for n in reversed(range(per_class))]
        prefix = f"{wnid}_" if label == 0 else f"/data/imagenet/train/{wnid}/"
        ranks[index] = [prefix + name for name in names]
    save_pickle(root / "paths_by_rank2.pkl", ranks)
    return root


PETS = (("Abyssinian", 1), ("great_pyrenees", 2), ("Ragdoll", 1))
"""Breed and species of the classes 1 to 3."""


def pets(data_root: Path) -> Path:
    """oxford-iiit-pet of three breeds: 2 trainval and 1 test images each, trimaps, strays, a PNG that is called .jpg."""
    root = data_root / "oxford-iiit-pet"
    lines: dict[str, list[str]] = {"trainval": [], "test": []}
    for label, (breed, species) in enumerate(PETS, 1):
        for n, part in ((1, "trainval"), (20, "trainval"), (3, "test")):
            name = f"{breed}_{n}"
            path = picture(root / "images" / f"{name}.jpg", seed=10 * label + n)
            if name == "Ragdoll_3":
                Image.open(path).copy().save(path, format="PNG")
            trimap = np.full((30, 40), 2, np.uint8)
            trimap[5:20, 8:24], trimap[7:18, 10:22] = 3, 1
            (root / "annotations" / "trimaps").mkdir(parents=True, exist_ok=True)
            Image.fromarray(trimap).save(root / "annotations" / "trimaps" / f"{name}.png")
            (root / "annotations" / "trimaps" / f"._{name}.png").write_bytes(b"Mac OS X")
            lines[part].append(f"{name} {label} {species} 1")
    for part, texts in lines.items():
        write(root / "annotations" / f"{part}.txt", *texts)
    header = ("#Image CLASS-ID SPECIES BREED ID", "#ID: 1:37 Class ids")
    write(root / "annotations" / "list.txt", *header, *lines["trainval"], *lines["test"])
    picture(root / "images" / "Abyssinian_999.jpg")
    (root / "images" / "Abyssinian_100.mat").write_bytes(b"MATLAB")
    (root / "images" / "._Ragdoll_3.jpg").write_bytes(b"Mac OS X")
    return root


SBD_CLASSES = {"2008_000002": (20,), "2008_000003": (15, 19), "2008_000007": (), "2008_000008": (13, 15)}
"""Image -> the classes 1..20 that its segmentation shows; the last one is val."""


def save_sbd(path: Path, segmentation: np.ndarray) -> None:
    """One file of cls/: the struct GTcls with its boundaries as sparse matrices."""
    present = [k for k in np.unique(segmentation) if k]
    boundaries = np.empty((20, 1), dtype=object)
    for k in range(20):
        boundaries[k, 0] = csc_matrix(np.diff(segmentation == k + 1, axis=1, prepend=False))
    content = {
        "Boundaries": boundaries,
        "Segmentation": segmentation,
        "CategoriesPresent": np.array([present], np.uint8).T,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"GTcls": content}, do_compression=True)


def sbd(data_root: Path) -> Path:
    """SBD of three train images, one of which shows nothing, and one val image."""
    root = data_root / "benchmark_RELEASE" / "dataset"
    for i, (name, classes) in enumerate(SBD_CLASSES.items()):
        picture(root / "img" / f"{name}.jpg", seed=i)
        segmentation = np.zeros((30, 40), np.uint8)
        for k, number in enumerate(classes):
            segmentation[4 + 12 * k : 12 + 12 * k, 5:25] = number
        save_sbd(root / "cls" / f"{name}.mat", segmentation)
    names = list(SBD_CLASSES)
    write(root / "train.txt", *names[:-1])
    write(root / "val.txt", names[-1])
    return root
