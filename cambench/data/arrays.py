"""Files that hold all pictures of a split in one array: read once a process, every picture has a path below its file's.

Picture 17 of the file `train` has the path `train/17`. No such path can exist, since `train` is no folder: it differs
from every other image's, and code that takes an image by its path needs no special case.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cambench.data import pickles, readers
from cambench.vocabulary import DataError

SIDE = 32


@dataclass(frozen=True)
class Pictures:
    """One file of CIFAR's python version: pixels (N,3,32,32) uint8, red, green, blue; fine labels (N,); the file's md5."""

    pixels: NDArray[np.uint8]
    labels: tuple[int, ...]
    md5: str


def inside(path: Path) -> bool:
    """True for the path of a picture within a file."""
    return path.parent.is_file()


def picture(path: Path) -> Image.Image:
    """The picture of a path within a file; nothing is decompressed.

    Raises: DataError if the file is broken or holds no such picture.
    """
    pixels = pictures(path.parent).pixels
    if not path.name.isdecimal() or int(path.name) >= len(pixels):
        raise DataError(f"{path}: expected a number below {len(pixels)}, the pictures of the file, got {path.name!r}.")
    return Image.fromarray(np.ascontiguousarray(pixels[int(path.name)].transpose(1, 2, 0)))


def pictures(file: Path) -> Pictures:
    """What the file holds, read once as long as it does not change.

    Raises: DataError if it is missing or not what its layout promises.
    """
    status = readers.need(file).stat()
    return _read(file, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _read(file: Path, size: int, changed: int) -> Pictures:
    content = fields(file)
    data, labels = content.get("data"), content.get("fine_labels")
    row = 3 * SIDE * SIDE
    if not isinstance(data, pickles.Bytes) or data.array.ndim != 2 or data.array.shape[1] != row:
        got = data.array.shape if isinstance(data, pickles.Bytes) else type(data).__name__
        raise readers.broken(file, f"`data`, an array (N,{row}) of uint8", got)
    if not isinstance(labels, list) or len(labels) != len(data.array):
        got = f"{len(labels)} labels" if isinstance(labels, list) else type(labels).__name__
        raise readers.broken(file, f"`fine_labels`, a list of {len(data.array)} classes", got)
    return Pictures(data.array.reshape(-1, 3, SIDE, SIDE), tuple(labels), md5(file))


def md5(file: Path) -> str:
    """The file's md5, 32 hex digits: what CIFAR's page publishes."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def fields(file: Path) -> dict[str, Any]:
    """The dictionary of a pickle, its keys as text, whether Python 2 or 3 wrote it.

    Raises: DataError if it is no dictionary.
    """
    content = pickles.load_arrays(file)
    if not isinstance(content, dict):
        raise readers.broken(file, "a pickled dictionary", type(content).__name__)
    return {text(key): value for key, value in content.items() if isinstance(key, str | bytes)}


def text(value: str | bytes) -> str:
    """A text of Python 2 (bytes) or 3."""
    return value.decode("latin1") if isinstance(value, bytes) else value
