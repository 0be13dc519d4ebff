"""Parts of data sets that go by names of their own, so that a number on one is never taken for one on the whole."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from cambench.data import cifar, cub, readers, tiny_imagenet
from cambench.data.subsets import of_classes
from cambench.vocabulary import Dataset

BIRDS, THINGS = 50, 10


def read_cub_50(root: Path, split: str) -> Dataset:
    """Classes 1 to 50 of CUB-200-2011, from a folder of these alone or of all 200; the same data either way.

    Raises: DataError as `cub.read`, and where there are fewer classes.
    """
    return first(cub.read(root, split), BIRDS, "cub-50", root / "classes.txt")


def read_cifar100_10(root: Path, split: str) -> Dataset:
    """The first ten fine classes of CIFAR-100. Raises: DataError as `cifar.read`, and where there are fewer classes."""
    return first(cifar.read(root, split), THINGS, "cifar100-10", root / "meta")


def first(whole: Dataset, n: int, name: str, file: Path) -> Dataset:
    """The first n classes under another name; file: where the classes stand."""
    if len(whole.classes) < n:
        raise readers.broken(file, f"at least {n} classes", len(whole.classes))
    return replace(of_classes(whole, range(n)), name=name)


def read_small_box(root: Path, split: str) -> Dataset:
    """The classes of Tiny ImageNet in `small_box_classes`, in the order of their wnids.

    Raises: DataError as `tiny_imagenet.read`, and for a class that wnids.txt does not name.
    """
    wnids, wanted = tiny_imagenet.read_wnids(root), small_box_classes()
    if lacking := [wnid for wnid in wanted if wnid not in wnids]:
        raise readers.broken(root / "wnids.txt", f"the class {lacking[0]}", f"{len(wnids)} others")
    classes = [wnids.index(wnid) for wnid in wanted]
    return replace(of_classes(tiny_imagenet.read(root, split), classes), name="tiny-imagenet-small-box")


def small_box_classes() -> list[str]:
    """The wnids in `small_box.txt`: the ten classes whose boxes cover the smallest share of the picture on average.

    The mean is over the boxes of the training split, max inclusive; 3 to 18 %, where that of all 200 classes is 53 %.
    """
    text = (files("cambench.data") / "small_box.txt").read_text(encoding="utf-8")
    return [line.split()[0] for line in text.splitlines() if line and not line.startswith("#")]
