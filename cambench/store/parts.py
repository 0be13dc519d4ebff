"""Parts: the finished chunks of a long job, each a small complete file: a killed job loses at most one chunk.

HDF5 does not survive a kill in the middle of a write, so chunks wait as `.npz` files and the HDF5 file is written once.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from cambench.files import atomic_buffer, read_json, write_json
from cambench.vocabulary import CambenchError

Arrays = Mapping[str, NDArray[np.generic]]
Column = Callable[[str], Iterable[NDArray[np.generic]]]
"""Name of an array -> its rows, piece by piece."""
Thing = TypeVar("Thing")


class Parts:
    """The chunks of one job beside its target file, valid only for the job key they were written for.

    A part is named by its first row and how many rows it holds; several processes write them in any order.
    anew: whatever is there counts for nothing.
    Raises: CambenchError where two of them overlap.
    """

    def __init__(self, target: Path, key: str, *, anew: bool = False) -> None:
        self.folder = target.with_name(target.name + ".parts")
        stamp = self.folder / "job.json"
        if self.folder.exists() and (anew or (stamp.exists() and read_json(stamp) != key)):
            shutil.rmtree(self.folder)
        if not stamp.exists():
            write_json(stamp, key)
        self.files = sorted(self.folder.glob("part-*.npz"))
        self.missing(0)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(rows_of(file)[1] for file in self.files)

    def missing(self, n: int) -> list[int]:
        """Which of the rows 0 to n − 1 no part holds."""
        rows: list[int] = []
        end = 0
        for file in self.files:
            start, count = rows_of(file)
            if start < end:
                raise self.disorder(f"a part from row {end} on, got {file.name}")
            rows += range(end, start)
            end = start + count
        return [row for row in [*rows, *range(end, n)] if row < n]

    def disorder(self, expected: str) -> CambenchError:
        """The error where the parts are not those of one job's processes."""
        mend = "delete that folder and run again, with one process only where the system has no locks."
        return CambenchError(f"{self.folder}: expected {expected}; {mend}")

    def file_of(self, chunk: range) -> Path:
        """Where the rows of a chunk lie."""
        return self.folder / f"part-{chunk.start:09d}-{len(chunk)}.npz"

    def write(self, chunk: range, arrays: Arrays) -> None:
        """Commit the rows of a chunk.

        Raises: CambenchError where the folder holds a part from its first row on, which another process wrote.
        """
        for there in self.folder.glob(f"part-{chunk.start:09d}-*.npz"):
            raise self.disorder(f"no part from row {chunk.start} on, got {there.name}")
        with atomic_buffer(self.file_of(chunk)) as buffer:
            np.savez(buffer, **cast(Any, arrays))  # allow_pickle= is a name of an array before numpy 2.2

    def add(self, chunks: Iterable[range]) -> None:
        """Count chunks as written, by whichever process: a folder that is shared may be listed late."""
        self.files = sorted([*self.files, *(self.file_of(chunk) for chunk in chunks)])

    def whole(self) -> list[Path]:
        """The parts, in order. Raises: CambenchError naming the first row that none holds."""
        gaps = self.missing(sum(rows_of(self.files[-1])) if self.files else 0)
        if gaps:
            raise self.disorder(f"a part from row {gaps[0]} on, got none")
        return self.files

    def read(self) -> dict[str, NDArray[np.generic]]:
        """All rows, each array joined along its first axis.

        Raises: CambenchError naming a damaged part, or the first row that none holds.
        """
        chunks = [self.opened(path, dict) for path in self.whole()]
        return {name: np.concatenate([c[name] for c in chunks]) for name in chunks[0]} if chunks else {}

    def column(self, name: str) -> Iterator[NDArray[np.generic]]:
        """One of the arrays, part by part, each read when it is asked for. Raises: as `read`."""
        for path in self.whole():
            yield self.opened(path, lambda data: data[name])

    def opened(self, path: Path, read: Callable[[Any], Thing]) -> Thing:
        """What is read of an open part. Raises: CambenchError naming a damaged one."""
        try:
            with np.load(path, allow_pickle=False) as data:
                return read(data)
        except (EOFError, KeyError, OSError, ValueError, zipfile.BadZipFile) as e:
            raise CambenchError(f"{path}: damaged ({e}); delete the folder {self.folder} and run again.") from e

    def forget(self) -> None:
        """Delete the folder where no part was written into it."""
        if self.folder.exists() and not any(self.folder.glob("part-*")):
            self.remove()

    def remove(self) -> None:
        """Delete the parts, once the target holds them."""
        shutil.rmtree(self.folder)


def rows_of(path: Path) -> tuple[int, int]:
    """(first row, number of rows) of a part, by its name."""
    _, start, count = path.stem.split("-")
    return int(start), int(count)


def stride(least: int, batch: int) -> int:
    """How many rows a chunk has: whole batches, at least so many."""
    return -(-least // batch) * batch


def chunks(missing: list[int], length: int, period: int | None = None) -> list[range]:
    """Missing rows in chunks of consecutive ones, the same for any who share them out: they end at every `length` rows,
    counted anew from every multiple of the period.
    """
    begins = [row % (period or length) % length == 0 for row in missing]
    ends = [i for i, row in enumerate(missing) if i == 0 or row != missing[i - 1] + 1 or begins[i]]
    return [range(missing[a], missing[b - 1] + 1) for a, b in zip(ends, [*ends, len(missing)][1:], strict=True)]
