"""Atomic files: written under a temporary name, synced, renamed. A file that exists is complete."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from cambench.vocabulary import CambenchError

FREE, ELSEWHERE = "free some space and repeat the command, it goes on", "choose another --results (or --out, --html)"
REFUSED = {
    errno.ENOSPC: ("the disk is full", FREE),
    errno.EDQUOT: ("the disk quota is used up", FREE),
    errno.EFBIG: ("the file may not grow", FREE),
    errno.EACCES: ("it is read-only for you", ELSEWHERE),
    errno.EPERM: ("it is read-only for you", ELSEWHERE),
    errno.EROFS: ("its disk is read-only", ELSEWHERE),
    errno.ENOTDIR: ("a part of its path is a file where a folder is expected", ELSEWHERE),
    errno.EEXIST: ("a part of its path is a file where a folder is expected", ELSEWHERE),
    errno.EISDIR: ("there is a folder of this name", ELSEWHERE),
}
"""Why a file cannot be written, and the mend."""


def hidden(path: Path) -> Path:
    """The name beside a path under which this process of this machine alone writes: `.NAME.HOST.PID.tmp`."""
    host = hashlib.blake2b(platform.node().encode(), digest_size=3).hexdigest()
    return path.with_name(f".{path.name}.{host}.{os.getpid()}.tmp")


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Where a disk or the owner of a folder refuses to take `path`, one line that says so.

    Raises: CambenchError.
    """
    try:
        yield
    except OSError as e:
        if e.errno in REFUSED:
            raise CambenchError(refused(path, e.errno)) from e
        raise


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name once the block ends without an error; else nothing of it stays.

    Raises: OSError where the disk is full or the place cannot be written (`atomic_path` says it in a line).
    """
    temporary = hidden(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        with temporary.open("rb+") as f:
            os.fsync(f.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name once the block ends without an error.

    Raises: CambenchError where the disk is full or the place cannot be written; nothing half-written stays.
    """
    with refusals(path), replacing(path) as temporary:
        yield temporary


def refused(path: Path, code: int) -> str:
    """What to say where a file cannot be written."""
    reason, mend = REFUSED[code]
    return f"cannot write {path}: {reason}; {mend}."


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `path`, and of what is there, once the block ends without an error.

    It lies one level deeper than `path`, where nobody looks for folders of its kind.
    Raises: CambenchError where the disk is full or the place cannot be written; nothing half-written stays.
    """
    aside = hidden(path)
    new, old = aside / "new", aside / "old"
    with refusals(path):
        try:
            shutil.rmtree(aside, ignore_errors=True)  # of a killed process with the same number
            new.mkdir(parents=True)
            yield new
            for file in (path for path in new.rglob("*") if path.is_file()):
                with file.open("rb+") as f:
                    os.fsync(f.fileno())
            if path.exists():
                path.rename(old)
            new.rename(path)
        finally:
            if old.exists() and not path.exists():
                old.rename(path)
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def atomic_buffer(path: Path) -> Iterator[BytesIO]:
    """A buffer that is written to `path` whole once the block ends.

    Libraries that write containers (zip, HDF5) cover a full disk with errors of their own when they close a file; a buffer
    keeps the disk to one plain write.
    """
    buffer = BytesIO()
    yield buffer
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, data: Any) -> None:
    """Write JSON whole or not at all. NaN is refused: it would not be JSON, and a number must not stand for it."""
    write_text(path, json_text(data))


def json_text(data: Any) -> str:
    """JSON as `write_json` writes it."""
    return json.dumps(data, indent=1, allow_nan=False, sort_keys=False) + "\n"


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises: CambenchError naming the file and what is wrong with it.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError as e:
        raise CambenchError(f"{path}: expected a file, got none: it was removed meanwhile; run the command again.") from e
    return parsed(text, path)


def parsed(text: bytes, path: Path, mend: str = "the file was changed or truncated: delete it and run again.") -> Any:
    """The JSON of a file. Raises: CambenchError naming the file where it is none, or nested beyond what Python reads."""
    try:
        return json.loads(text.decode("utf-8"))
    except (RecursionError, ValueError) as e:
        raise CambenchError(f"{path}: expected JSON, got {e}; {mend}") from e
