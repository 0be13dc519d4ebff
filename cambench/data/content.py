"""Digests of files' contents, made once a file and remembered on this machine.

A digest is remembered for the file's path, size, modification time, change time and inode, in one small file a folder of
images, below CAMBENCH_CACHE (else `cambench` in the user's cache folder). Files that change within a second of being read
are read again the next time. The one limit: a file that is changed in place, in a way that leaves all five as they were
(some network and Windows file systems keep neither change times nor inodes), counts as unchanged.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from cambench.files import replacing
from cambench.vocabulary import DataError, file_digests

Stamp = list[int]
"""Size, modification time, change time (both in ns) and inode of a file."""
MANY, AT_ONCE, THREADS = 5_000, 64, 8
YOUNG = 10**9
log = logging.getLogger("cambench.data")


def digests(paths: Sequence[Path]) -> list[str]:
    """32 hex digits of the bytes of each file, from memory where the file is as it was.

    Raises: DataError naming a file that is not there or cannot be read.
    """
    digest_of: dict[Path, str] = {}
    folders: dict[Path, list[Path]] = {}
    for path in dict.fromkeys(paths):
        folders.setdefault(path.parent, []).append(path)
    remembered = {folder: Remembered(folder) for folder in folders}
    unknown: list[tuple[Path, Stamp]] = []
    for folder, files in folders.items():
        for path in files:
            stamp = stamp_of(path)
            digest = remembered[folder].get(path.name, stamp)
            if digest is None:
                unknown.append((path, stamp))
            else:
                digest_of[path] = digest
    if len(unknown) > MANY:
        log.info("reading %d files once, to know them by their contents", len(unknown))
    now = time.time_ns()
    new_digests = read_now([path for path, _ in unknown])
    for folder, stamped in groupby(unknown, key=lambda file: file[0].parent):
        for path, stamp in stamped:
            digest_of[path] = next(new_digests)
            if now - stamp[2] > YOUNG:
                remembered[folder].put(path.name, stamp, digest_of[path])
        remembered[folder].save()  # folder by folder, so that what a stopped call has read is kept
    return [digest_of[path] for path in paths]


def read_now(paths: Sequence[Path]) -> Iterator[str]:
    """The digest of each file, by a few threads, in order."""
    pool = ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1))
    try:
        for digests in pool.map(file_digests, [paths[i : i + AT_ONCE] for i in range(0, len(paths), AT_ONCE)]):
            yield from digests
    finally:
        pool.shutdown(cancel_futures=True)


def stamp_of(path: Path) -> Stamp:
    """Size, dates and inode: a file with the same ones counts as unchanged."""
    try:
        status = os.stat(path)  # noqa: PTH116  (a million files)
    except OSError as e:
        raise DataError(f"{path}: expected a file, got {e.strerror}; put it back or unpack the archive again.") from e
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


class Remembered:
    """The digests of the files of one folder, by name."""

    def __init__(self, folder: Path) -> None:
        real = os.path.realpath(folder)
        self.path = home() / "contents" / (hashlib.blake2b(os.fsencode(real), digest_size=16).hexdigest() + ".json")
        self.files: dict[str, Any] = dict(read(self.path))
        self.changed = False

    def get(self, name: str, stamp: Stamp) -> str | None:
        """The digest of a file that is as it was."""
        entry = self.files.get(name)
        return str(entry[1]) if entry is not None and entry[0] == stamp else None

    def put(self, name: str, stamp: Stamp, digest: str) -> None:
        """Remember a file."""
        self.files[name] = [stamp, digest]
        self.changed = True

    def save(self) -> None:
        """Keep what is new. Where nothing can be written, it is computed again the next time."""
        if not self.changed:
            return
        try:
            with replacing(self.path) as temporary:
                temporary.write_text(json.dumps(self.files), encoding="utf-8")
        except OSError as e:
            cannot_keep(self.path.parent, e.strerror or str(e))


def read(path: Path) -> Mapping[str, Any]:
    """What is remembered of a folder; nothing where there is no such file, or where it is damaged."""
    try:
        files = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return files if isinstance(files, dict) else {}


@cache
def cannot_keep(folder: Path, reason: str) -> None:
    """Say once that digests cannot be kept."""
    log.info("%s: %s, so the contents of images are read again at every command (set CAMBENCH_CACHE)", folder, reason)


def home() -> Path:
    """Where this user's cambench remembers what it can make again."""
    own, usual = os.environ.get("CAMBENCH_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(own) if own else (Path(usual) if usual else Path.home() / ".cache") / "cambench"
