"""Parts: the finished chunks of a long job, each a small complete file: a killed job loses at most one chunk.

HDF5 does not survive a kill in the middle of a write, so chunks wait as `.npz` files and the HDF5 file is written once.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cambench.store.files import atomic_buffer, read_json, write_json
from cambench.vocabulary import CambenchError

Arrays = Mapping[str, NDArray[np.generic]]


class Parts:
    """The chunks of one job beside its target file, valid only for the job key they were written for.

    A part is named by its first row and how many rows it holds; they follow one another without a gap or an overlap.
    anew: whatever is there counts for nothing.
    Raises: CambenchError where they do not.
    """

    def __init__(self, target: Path, key: str, *, anew: bool = False) -> None:
        self.folder = target.with_name(target.name + ".parts")
        stamp = self.folder / "job.json"
        if self.folder.exists() and (anew or (stamp.exists() and read_json(stamp) != key)):
            shutil.rmtree(self.folder)
        if not stamp.exists():
            write_json(stamp, key)
        self.files = sorted(self.folder.glob("part-*.npz"))
        self.rows = 0
        for file in self.files:
            start, count = rows_of(file)
            if start != self.rows:
                raise self.disorder(f"a part from row {self.rows} on, got {file.name}")
            self.rows += count

    def disorder(self, expected: str) -> CambenchError:
        """The error where the parts are not those of one writer."""
        mend = "delete that folder and run again, with one process only where the system has no locks."
        return CambenchError(f"{self.folder}: expected {expected}; {mend}")

    def append(self, rows: int, arrays: Arrays) -> None:
        """Commit the next `rows` rows.

        Raises: CambenchError where the folder holds a part from that row on, which another process wrote.
        """
        path = self.folder / f"part-{self.rows:09d}-{rows}.npz"
        there = sorted(self.folder.glob("part-*.npz"))
        if there != self.files:
            raise self.disorder(f"the {len(self.files)} parts of this process, got {len(there)}")
        with atomic_buffer(path) as buffer:
            np.savez(buffer, allow_pickle=False, **arrays)
        self.files.append(path)
        self.rows += rows

    def read(self) -> dict[str, NDArray[np.generic]]:
        """All rows so far, each array joined along its first axis.

        Raises: CambenchError naming a damaged part.
        """
        chunks: list[dict[str, NDArray[np.generic]]] = []
        for path in self.files:
            try:
                with np.load(path, allow_pickle=False) as data:
                    chunks.append({name: data[name] for name in data.files})
            except (OSError, ValueError, zipfile.BadZipFile) as e:
                raise CambenchError(f"{path}: damaged ({e}); delete the folder {self.folder} and run again.") from e
        return {name: np.concatenate([c[name] for c in chunks]) for name in chunks[0]} if chunks else {}

    def remove(self) -> None:
        """Delete the parts, once the target holds them."""
        shutil.rmtree(self.folder)


def rows_of(path: Path) -> tuple[int, int]:
    """(first row, number of rows) of a part, by its name."""
    _, start, count = path.stem.split("-")
    return int(start), int(count)
