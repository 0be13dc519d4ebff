"""Atomic files: written under a temporary name, synced, renamed. A file that exists is complete."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
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
HIDDEN = re.compile(r"\.(?P<name>.+)\.(?P<host>[0-9a-f]{6})\.(?P<pid>\d{1,9})\.tmp")
"""The names that `hidden` gives."""
OLD = "old"
"""What a folder that gives way is called, within the hidden one."""


def hidden(path: Path) -> Path:
    """The name beside a path under which this process of this machine alone writes: `.NAME.HOST.PID.tmp`.

    Nothing is there, nor, where it is the first in its folder, what killed processes of this machine left (`clear`).
    """
    own = path.with_name(f".{path.name}.{machine()}.{os.getpid()}.tmp")
    cleared(path.parent, os.getpid())
    discard(own, path)  # of a killed process with the same number
    return own


def machine() -> str:
    """6 hex digits of this machine since it was started, whatever it is called, and of the space that numbers its
    processes: each container may count its own.
    """
    facts = [platform.node()]
    with suppress(OSError):  # not Linux
        facts += [Path("/proc/sys/kernel/random/boot_id").read_text(), str(Path("/proc/self/ns/pid").readlink())]
    return hashlib.blake2b(" ".join(facts).encode(), digest_size=3).hexdigest()


@cache
def cleared(folder: Path, pid: int) -> None:
    """Clear a folder, once a process."""
    clear(folder)


def clear(folder: Path) -> None:
    """Remove what killed processes of this machine left of their writing in a folder."""
    names, here = list[str](), machine()
    with suppress(OSError), os.scandir(folder) as entries:  # it may not be there
        names = [entry.name for entry in entries if entry.name.startswith(".")]
    for name in filter(None, map(HIDDEN.fullmatch, names)):
        if name["host"] == here and not alive(int(name["pid"])):
            discard(folder / name[0], folder / name["name"])


def alive(pid: int) -> bool:
    """Whether a process of this machine has that number; where nobody can say, it has."""
    if os.name != "posix":  # where to ask is to end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True


def discard(left: Path, path: Path) -> None:
    """Remove what was left of writing `path`, if anything was; a folder that was put aside for it has its place again."""
    with suppress(OSError):  # another process was faster, or it is another user's
        if (left / OLD).exists() and not path.exists():
            (left / OLD).rename(path)
        if left.is_dir():
            shutil.rmtree(left)
        elif left.exists():
            left.unlink()


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
    clear(path.parent)  # whatever was cleared before: what `path` was may lie aside
    aside = hidden(path)
    new, old = aside / "new", aside / OLD
    with refusals(path):
        try:
            new.mkdir(parents=True)
            yield new
            for file in (path for path in new.rglob("*") if path.is_file()):
                with file.open("rb+") as f:
                    os.fsync(f.fileno())
            if path.exists():
                path.rename(old)
            new.rename(path)
        finally:
            discard(aside, path)


def remove_folder(path: Path) -> None:
    """Remove a folder. It goes out of sight first, a level deeper, so that nobody ever sees half of it."""
    aside = hidden(path)
    aside.mkdir()
    try:
        path.rename(aside / "gone")
    finally:
        shutil.rmtree(aside)


@contextmanager
def atomic_buffer(path: Path) -> Iterator[BytesIO]:
    """A buffer that is written to `path` whole once the block ends.

    Libraries that write containers (zip, HDF5) cover a full disk with errors of their own when they close a file; a buffer
    keeps the disk to one plain write. Nor does HDF5 survive a file of Python's own that catches those errors: Ctrl-C
    raises within it.
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
