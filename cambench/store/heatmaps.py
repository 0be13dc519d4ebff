"""Heatmap files: raw signed maps at their native grid in HDF5, one file a run × split × explainer × target × input view.

`maps` is (N,h,w) where all grids agree, else all maps flat with `grid` (N,2) holding each one's (h,w).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cambench.files import atomic_buffer
from cambench.store import schema
from cambench.store.parts import Column
from cambench.vocabulary import CambenchError

CHUNK = 256
MEND = "make it again with `cambench explain`, or delete it."


class Rows:
    """An array of a heatmap file by the rows of its images. Nothing is kept: the file is open while rows are read.

    Iteration reads CHUNK rows at a time. `maps` of several sizes lie flat; `ends` says where each one ends.
    """

    def __init__(self, path: Path, file: h5py.File, name: str) -> None:
        self.path, self.name, array = path, name, file[name]
        self.grid = file["grid"][()] if name == "maps" and "grid" in file else None
        self.count = len(array if self.grid is None else self.grid)
        self.ends = None if self.grid is None else np.cumsum(self.grid.prod(1))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, row: int) -> NDArray[np.float32]:
        return self.take([row])[0]

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for start in range(0, self.count, CHUNK):
            yield from self.take(range(start, min(start + CHUNK, self.count)))

    def take(self, rows: Iterable[int]) -> list[NDArray[np.float32]]:
        """Those rows, in their order. Raises: as `read_heatmaps`."""
        with faults(self.path), h5py.File(self.path, "r") as file:
            return [self.read(file, row) for row in rows]

    def read(self, file: h5py.File, row: int) -> NDArray[np.float32]:
        """One row of the open file."""
        stored = file[self.name]
        if self.grid is None or self.ends is None:
            return stored[row]  # type: ignore[no-any-return]
        end, (h, w) = self.ends[row], self.grid[row]
        return stored[end - h * w : end].reshape(h, w)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Heatmaps:
    """A heatmap file: maps (N rows (h,w)), target, prediction (N,), logits (N rows (C,)), ids, the job.

    Maps and logits stay in the file until a row is asked for. seconds: an image, of making them, where this call made
    some; it is not in the file.
    """

    maps: Rows
    target: NDArray[np.int32]
    prediction: NDArray[np.int32]
    logits: Rows
    ids: list[str]
    job: dict[str, Any]
    origin: dict[str, Any]
    seconds: float | None = None


class Maps(Mapping[str, NDArray[np.float32]]):
    """An open heatmap file: image id -> raw signed map (h,w), read when it is asked for. `job`: what the maps are of."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.file, self.maps = file, Rows(path, file, "maps")
        self.job: dict[str, Any] = json.loads(file.attrs["job"])
        self.rows = {image: row for row, image in enumerate(decode(file["id"][()]))}

    def __getitem__(self, image: str) -> NDArray[np.float32]:
        return self.maps.read(self.file, self.rows[image])

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def pack(maps: Sequence[NDArray[np.float32]]) -> dict[str, NDArray[np.generic]]:
    """Maps (h,w), of any sizes, as the flat arrays of a part: values and grid."""
    grid = np.array([one.shape for one in maps], dtype=np.int32)
    return {"values": np.concatenate([one.reshape(-1) for one in maps]), "grid": grid}


def write_heatmaps(path: Path, job: dict[str, Any], origin: Mapping[str, Any], column: Column) -> None:
    """Write a heatmap file whole or not at all. In memory are the file, and of what goes into it a piece or two at a time.

    column: of values (flat), grid (N,2), target, prediction (N,), logits, id. origin: how to load the images again.
    """
    grid = np.concatenate([*column("grid")])
    with atomic_buffer(path) as buffer, h5py.File(buffer, "w", libver="latest") as f:
        f.attrs["schema"] = schema.HEATMAPS
        f.attrs["job"] = json.dumps(job)
        f.attrs["origin"] = json.dumps(dict(origin))
        if len(grid) and (grid == grid[0]).all():
            store(f, "maps", len(grid), (values.reshape(-1, *grid[0]) for values in column("values")))
        else:
            store(f, "maps", int(grid.prod(1, dtype=np.int64).sum()), column("values"))
            store(f, "grid", len(grid), [grid])
        for name in ("target", "prediction", "logits"):
            store(f, name, len(grid), column(name))
        f.create_dataset("id", data=np.concatenate([*column("id")]), chunks=True, compression="gzip", shuffle=True)


def store(f: h5py.File, name: str, n: int, pieces: Iterable[NDArray[np.generic]]) -> None:
    """One data set of n rows in chunks of about 256 rows (flat values: 256 7×7 maps), small ones in one piece."""
    start = 0
    for piece in pieces:
        if not start:
            rows = CHUNK if piece.ndim > 1 else CHUNK * 49
            chunks = (rows, *piece.shape[1:]) if n > rows else None
            stored = f.create_dataset(name, (n, *piece.shape[1:]), piece.dtype, chunks=chunks)
        stored[start : start + len(piece)] = piece
        start += len(piece)


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
    """Read a heatmap file; its maps and logits when they are asked for.

    Raises: CambenchError naming the file if it is truncated, foreign or of another schema.
    """
    with faults(path), h5py.File(path, "r") as f:
        check_schema(path, f)
        job, origin = (json.loads(f.attrs[name]) for name in ("job", "origin"))
        target, prediction, ids = (f[name][()] for name in ("target", "prediction", "id"))
        maps, logits = (Rows(path, f, name) for name in ("maps", "logits"))
        return Heatmaps(maps, target, prediction, logits, decode(ids), job, origin)


@contextmanager
def open_heatmaps(path: Path) -> Iterator[Maps]:
    """A heatmap file whose maps are read one by one, open within the block. Raises: as `read_heatmaps`."""
    with ExitStack() as stack:
        with faults(path):
            file = stack.enter_context(h5py.File(path, "r"))
            check_schema(path, file)
            maps = Maps(path, file)
        yield maps


def decode(ids: NDArray[np.bytes_]) -> list[str]:
    """Image ids as text."""
    return [i.decode() for i in ids.tolist()]
