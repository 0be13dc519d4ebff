"""One writer a job: a lock that ends with its owner, however it ends.

The lock is the kernel's (POSIX record lock), not the file: a process that is killed holds nothing, and a file that is left
behind locks nobody out. It belongs to one process and is not inherited by its children, such as a loader's workers.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cambench.files import refusals

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

OWN: set[tuple[int, int, int]] = set()
"""Process, device and inode of each lock file that this process holds; in its children they are another's."""
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
log = logging.getLogger("cambench.store")


@contextmanager
def only_writer(target: Path, title: str = "") -> Iterator[None]:
    """Hold the lock on a file or folder that is to be written; where another process holds it, wait, and say so.

    title: what it is to a person, where that is not its name. Whoever waited finds what the other wrote: look again once the
    lock is held. Without `fcntl` nothing is locked, and said.
    """
    if fcntl is None:
        log.warning("%s: this system has no fcntl, so nothing is locked; run no second process on the same job", target.name)
        yield
        return
    path = target.with_name(f".{target.name}.lock")
    with refusals(target):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = acquire(path, title or target.name)
    own = identity(os.fstat(file))
    OWN.add(own)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held: who waits for it sees that it is gone, and takes a new one
        OWN.discard(own)
        os.close(file)


def acquire(path: Path, name: str) -> int:
    """Open and lock a lock file. -> its descriptor."""
    announced = False
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if not taken(file, fcntl.LOCK_EX | fcntl.LOCK_NB):
                if not announced:
                    log.warning("%s: another process is at it; waiting for what it writes", name)
                announced = True
                taken(file, fcntl.LOCK_EX)
            if is_still(path, file):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def taken(file: int, how: int) -> bool:
    """Lock a file; False where another process holds it and `how` is not to wait. Where there are no locks, it is said."""
    try:
        fcntl.lockf(file, how)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as e:
        if e.errno not in NO_LOCKS:
            raise
        log.warning("this file system has no locks (%s); run no second process on the same job", e.strerror)
    return True


def at_work(locks: Iterable[Path]) -> list[Path]:
    """Those of the lock files that another process holds."""
    return [] if fcntl is None else [path for path in locks if held(path)]


def held(path: Path) -> bool:
    """Whether another process holds a lock file, which stays as it is; one that is not there, nobody does.

    To ask takes no right to write: the file may be another user's. One that this process holds is not opened: to close it
    again would end the lock.
    """
    try:
        if identity(path.stat()) in OWN:
            return False
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not taken(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(file)


def identity(status: os.stat_result) -> tuple[int, int, int]:
    """A file as this process knows it, whatever path it is named by."""
    return os.getpid(), status.st_dev, status.st_ino


def is_still(path: Path, file: int) -> bool:
    """Whether the path names the open file, which its last owner may have removed."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False
