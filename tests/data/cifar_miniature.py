"""CIFAR-100, python version, in miniature: pickles of a split's array, as Python 2 wrote them and as others pack them."""

from __future__ import annotations

import pickle
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

CLASSES = (b"apple", b"aquarium_fish", b"baby")


class Python2(pickle._Pickler):  # type: ignore[name-defined,misc]
    """Protocol 2 with Python 2's byte strings, which Python 3 has no other way to write."""

    dispatch = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_bytes(self, value: bytes) -> None:
        """BINSTRING: its length, then the bytes."""
        self.write(b"T" + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes


def python2(value: Any) -> bytes:
    """A pickle as Python 2 and its numpy wrote it: byte strings, and numpy's names of that time."""
    file = BytesIO()
    Python2(file, 2).dump(value)
    return file.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def images(n: int, seed: int) -> np.ndarray:
    """(n,3,32,32) uint8, smooth; every image has colours of its own."""
    coarse = np.random.default_rng(seed).integers(0, 256, (n, 3, 4, 4), dtype=np.uint8)
    return coarse.repeat(8, 2).repeat(8, 3)


def split(n: int, seed: int) -> dict[bytes, Any]:
    """The fields of a split of n images, whose fine labels run through the classes."""
    return {
        b"filenames": [b"picture_s_%06d.png" % i for i in range(n)],
        b"batch_label": b"training batch 1 of 1",
        b"fine_labels": [(2 * i + 1) % 3 for i in range(n)],
        b"coarse_labels": [0] * n,
        b"data": images(n, seed).reshape(n, 3072),
    }


def cifar100(data_root: Path, pack: Any = python2) -> Path:
    """cifar-100-python of three classes: 6 train and 3 test images."""
    root = data_root / "cifar-100-python"
    root.mkdir(parents=True)
    meta = {b"fine_label_names": list(CLASSES), b"coarse_label_names": [b"things"]}
    for name, content in (("train", split(6, 0)), ("test", split(3, 1)), ("meta", meta)):
        (root / name).write_bytes(pack(content))
    return root
