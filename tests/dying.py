"""Disks and processes that fail at the n-th change of a folder, in the process of the test."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHANGES = ("replace", "rename", "unlink", "rmdir", "mkdir", "fsync")
"""The calls of the operating system by which files appear, vanish and last."""
UNLIKE = ("seconds", "images_per_second", "validation_seconds", "explaining")
"""What two runs that are the same do not share."""


class Killed(BaseException):
    """The process is dead: nothing that it still does, in a `finally` say, reaches the disk."""


def died() -> Exception | Killed:
    """The end of the process."""
    return Killed()


def refusing(code: int) -> Callable[[], OSError]:
    """A disk that refuses."""
    return lambda: OSError(code, os.strerror(code), "somewhere")


FAULTS: dict[str, Callable[[], BaseException]] = {
    "killed": Killed,
    "disk full": refusing(errno.ENOSPC),
    "disk broken": refusing(errno.EIO),
    "answer lost": refusing(errno.ESTALE),
    "interrupted": KeyboardInterrupt,
}
"""`answer lost`: a rename over NFS that was done, of which the client hears that it failed. `interrupted`: by Ctrl-C."""


@contextmanager
def failing(at: int, fault: str, patch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """From the at-th change on (a kill), or at that one alone, the fault; half of a file that is written then is there.

    at: 0 for never. Gives a list whose length is the number of changes so far.
    """
    seen: list[int] = []

    def failed() -> bool:
        seen.append(len(seen) + 1)
        return 0 < at <= len(seen) if fault == "killed" else at == len(seen)

    def around(change: Callable[..., Any], late: bool) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            if not failed():
                return change(*arguments, **keywords)
            if late and fault == "answer lost":
                change(*arguments, **keywords)
            raise FAULTS[fault]()

        return call

    def half(self: Path, data: Any, *arguments: Any, **keywords: Any) -> int:
        data = data.encode() if isinstance(data, str) else bytes(data)
        bad = failed()
        with io.open(self, "wb") as file:  # noqa: UP020  (Path.open may be patched)
            written = file.write(data[: len(data) // 2] if bad else data)
        if bad:
            raise FAULTS[fault]()
        return written

    with patch.context() as inside:
        for name in CHANGES:
            inside.setattr(os, name, around(getattr(os, name), name in ("replace", "rename")))
        inside.setattr(Path, "write_bytes", half)
        inside.setattr(Path, "write_text", half)
        yield seen


def artefacts(root: Path) -> dict[str, Any]:
    """Every visible file of a results root and its contents, times aside; parts of what is finished are none."""
    return {path.relative_to(root).as_posix(): contents(path) for path in sorted(root.rglob("*")) if counts(path, root)}


def counts(path: Path, root: Path) -> bool:
    """Whether a path is a file that somebody reads."""
    names = path.relative_to(root).parts
    done = any(parent.suffix == ".parts" and parent.with_suffix("").exists() for parent in path.parents)
    return path.is_file() and not any(name.startswith(".") for name in names) and not done


def contents(path: Path) -> Any:
    """What a file says."""
    if path.suffix == ".json":
        return without_times(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        return [without_times(json.loads(line)) for line in path.read_text().splitlines()]
    return hashlib.blake2b(path.read_bytes()).hexdigest()


def without_times(value: Any) -> Any:
    """JSON without what a clock says."""
    if isinstance(value, dict):
        return {key: without_times(inner) for key, inner in value.items() if key not in UNLIKE}
    return [without_times(inner) for inner in value] if isinstance(value, list) else value
