"""CIFAR-100, the python version: 32 px photographs, 100 fine classes, in one pickled array a split (ExCon protocol §3.1).

Class index: the fine label. Images are in the order of the file; `train/17` is the eighteenth of `train`.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

from cambench.data import arrays, readers
from cambench.vocabulary import Dataset, Sample

PUBLISHED = {
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    "meta": "7973b15100ade9c7d40fb424638fde48",
}
"""File -> its published md5."""
log = logging.getLogger("cambench.data")


def read(root: Path, split: str) -> Dataset:
    """One split (`train`, `test`); a warning where a file has another md5 than the published one.

    Raises: DataError naming the file that is missing, truncated or not what its layout promises.
    """
    names, file = class_names(root / "meta"), root / split
    pictures = arrays.pictures(file)
    for row, label in enumerate(pictures.labels):
        if type(label) is not int or not 0 <= label < len(names):
            got = label if type(label) is int and abs(label) < readers.FARTHEST else readers.type_of(label)
            raise readers.broken(file, f"a fine label from 0 to {len(names) - 1} for image {row}", got)
    warn(file, pictures.md5)
    warn(root / "meta", arrays.md5(root / "meta"))
    samples = tuple(Sample(f"{split}/{row}", file / str(row), label) for row, label in enumerate(pictures.labels))
    return Dataset("cifar100", split, root, names, samples, content=pictures.md5)


def class_names(meta: Path) -> tuple[str, ...]:
    """The fine classes in order.

    Raises: DataError if the file is missing or has none.
    """
    names = arrays.fields(meta).get("fine_label_names")
    if not isinstance(names, list) or not names or not all(isinstance(name, str | bytes) for name in names):
        raise readers.broken(meta, "`fine_label_names`, a list of names", readers.type_of(names))
    return tuple(arrays.text(name) for name in names)


@cache
def warn(path: Path, digest: str) -> None:
    """Say once that a file is another one than the published: packed anew, perhaps, or other images."""
    if digest != PUBLISHED[path.name]:
        log.warning("%s: md5 %s is not the published %s; it is used as it is", path, digest, PUBLISHED[path.name])
