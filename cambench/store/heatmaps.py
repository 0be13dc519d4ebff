"""Heatmap files: raw signed maps at their native grid in HDF5, one file a run × split × explainer × target × input view.

`maps` is (N,h,w) where all grids agree, else all maps flat with `grid` (N,2) holding each one's (h,w).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cambench.store import schema
from cambench.store.files import atomic_buffer
from cambench.store.parts import Arrays
from cambench.vocabulary import CambenchError

CHUNK = 256
MEND = "make it again with `cambench explain`, or delete it."


@dataclass(frozen=True)
class Heatmaps:
    """A heatmap file read whole: maps (list of N arrays (h,w)), target, prediction (N,), logits (N,C), ids, the job.

    seconds: an image, of making them, where this call made some; it is not in the file.
    """

    maps: list[NDArray[np.float32]]
    target: NDArray[np.int32]
    prediction: NDArray[np.int32]
    logits: NDArray[np.float32]
    ids: list[str]
    job: dict[str, Any]
    origin: dict[str, Any]
    seconds: float | None = None


class Maps(Mapping[str, NDArray[np.float32]]):
    """An open heatmap file: image id -> raw signed map (h,w), read when it is asked for. `job`: what the maps are of."""

    def __init__(self, file: h5py.File) -> None:
        self.file = file
        self.job: dict[str, Any] = json.loads(file.attrs["job"])
        self.rows = {image: row for row, image in enumerate(decode(file["id"][()]))}
        self.grid = file["grid"][()] if "grid" in file else None
        self.ends = None if self.grid is None else np.cumsum(self.grid.prod(1))

    def __getitem__(self, image: str) -> NDArray[np.float32]:
        row, maps = self.rows[image], self.file["maps"]
        if self.grid is None or self.ends is None:
            return maps[row]  # type: ignore[no-any-return]
        end, (h, w) = self.ends[row], self.grid[row]
        return maps[end - h * w : end].reshape(h, w)  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def pack(maps: Sequence[NDArray[np.float32]]) -> dict[str, NDArray[np.generic]]:
    """Maps (h,w), of any sizes, as the flat arrays of a part: values and grid."""
    grid = np.array([one.shape for one in maps], dtype=np.int32)
    return {"values": np.concatenate([one.reshape(-1) for one in maps]), "grid": grid}


def write_heatmaps(path: Path, job: dict[str, Any], origin: Mapping[str, Any], arrays: Arrays) -> None:
    """Write a heatmap file whole or not at all.

    arrays: values (flat), grid (N,2), target, prediction (N,), logits, id. origin: how to load the images again.
    """
    with atomic_buffer(path) as buffer, h5py.File(buffer, "w", libver="latest") as f:
        f.attrs["schema"] = schema.HEATMAPS
        f.attrs["job"] = json.dumps(job)
        f.attrs["origin"] = json.dumps(dict(origin))
        values, grid = arrays["values"], arrays["grid"]
        if len(grid) and (grid == grid[0]).all():
            store(f, "maps", values.reshape(len(grid), *grid[0]))
        else:
            store(f, "maps", values)
            store(f, "grid", grid)
        for name in ("target", "prediction", "logits"):
            store(f, name, arrays[name])
        f.create_dataset("id", data=arrays["id"], chunks=True, compression="gzip", shuffle=True)


def store(f: h5py.File, name: str, array: NDArray[np.generic]) -> None:
    """One data set in chunks of about 256 rows (flat values: 256 7×7 maps), small ones in one piece."""
    rows = CHUNK if array.ndim > 1 else CHUNK * 49
    chunks = (min(rows, len(array)), *array.shape[1:]) if len(array) > rows else None
    f.create_dataset(name, data=array, chunks=chunks)


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Raises: CambenchError naming the heatmap file if it is not there, truncated or foreign."""
    try:
        yield
    except FileNotFoundError as e:
        raise CambenchError(f"{path}: expected a heatmap file, found none there; make one with `cambench explain`.") from e
    except (OSError, KeyError) as e:
        raise CambenchError(f"{path}: expected a heatmap file, got {e}; {MEND}") from e


def check_schema(path: Path, file: h5py.File) -> None:
    """Raises: CambenchError naming the heatmap file if it is of another schema."""
    written = file.attrs.get("schema")
    schema.check(path, written if written is None else int(written), schema.HEATMAPS, "a heatmap file", MEND)


def read_heatmaps(path: Path) -> Heatmaps:
    """Read a heatmap file.

    Raises: CambenchError naming the file if it is truncated, foreign or of another schema.
    """
    with faults(path), h5py.File(path, "r") as f:
        check_schema(path, f)
        data = {name: f[name][()] for name in f}
        words = [json.loads(f.attrs[name]) for name in ("job", "origin")]
        return Heatmaps(split(data), data["target"], data["prediction"], data["logits"], decode(data["id"]), *words)


@contextmanager
def open_heatmaps(path: Path) -> Iterator[Maps]:
    """A heatmap file whose maps are read one by one, open within the block. Raises: as `read_heatmaps`."""
    with ExitStack() as stack:
        with faults(path):
            file = stack.enter_context(h5py.File(path, "r"))
            check_schema(path, file)
            maps = Maps(file)
        yield maps


def split(data: dict[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
    """The N maps of a file's arrays."""
    if "grid" not in data:
        return list(data["maps"])
    ends = np.cumsum(data["grid"].prod(1))
    return [m.reshape(g) for m, g in zip(np.split(data["maps"], ends[:-1]), data["grid"], strict=True)]


def decode(ids: NDArray[np.bytes_]) -> list[str]:
    """Image ids as text."""
    return [i.decode() for i in ids.tolist()]
