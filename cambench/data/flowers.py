"""Oxford Flowers-102: 102 classes without boxes. Class index: label − 1; the official files carry no class names.

`train` is the official train and validation parts (2,040 images), `test` the large part (6,149) (CGC protocol §3.5).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cambench.data import matlab, readers
from cambench.vocabulary import Dataset, Sample

PARTS = {"train": ("trnid", "valid"), "test": ("tstid",)}


def read(root: Path, split: str) -> Dataset:
    """One split (`train`, `test`) in the order of setid.mat.

    Raises: DataError naming the file that is missing or malformed, or the images that are not there.
    """
    labels = integers(root / "imagelabels.mat", "labels")
    if labels.min() < 1 or labels.max() > readers.LAST_CLASS:
        wrong = labels.min() if labels.min() < 1 else labels.max()
        raise readers.broken(root / "imagelabels.mat", f"labels from 1 to {readers.LAST_CLASS}", wrong)
    path = root / "setid.mat"
    numbers = np.concatenate([integers(path, part) for part in PARTS[split]])
    if numbers.min() < 1 or numbers.max() > len(labels):
        expected = f"image numbers from 1 to {len(labels)} labels"
        raise readers.broken(path, expected, f"{numbers.min()} to {numbers.max()}")
    names = [f"image_{n:05d}.jpg" for n in numbers]
    readers.require_images(names, root / "jpg", path)
    classes = tuple(f"flower {i}" for i in range(1, int(labels.max()) + 1))
    pairs = zip(names, numbers, strict=True)
    samples = tuple(Sample(name, root / "jpg" / name, int(labels[n - 1]) - 1) for name, n in pairs)
    return Dataset("flowers", split, root, classes, samples)


def integers(path: Path, key: str) -> NDArray[np.int64]:
    """A MATLAB vector of whole numbers.

    Raises: DataError if it is empty or not whole.
    """
    held = matlab.mat(path, key)
    values = np.array(held).ravel() if isinstance(held, int | float | np.number | np.ndarray) else np.empty(0, object)
    if values.size == 0 or values.dtype.kind not in "iuf" or not whole(values):
        raise readers.broken(path, f"whole numbers in {key}", f"{values.size} values of {values.dtype}")
    return values.astype(np.int64)


def whole(values: NDArray[Any]) -> bool:
    """Whether all numbers are whole, and none is too large to be one."""
    return bool((np.abs(values) <= readers.FARTHEST).all() and (values == np.floor(values)).all())
