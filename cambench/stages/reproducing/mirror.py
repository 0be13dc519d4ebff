"""Mirror: a job on a machine that does not see the results works on a copy, of which the results get every change.

What it begins from is fetched, what it writes is sent in parts of bounded size, again and again while it works, so that a
machine that is lost takes along what it did since the last time. Only whole states arrive: all files of a moment or none.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

from cambench.files import atomic_path, refusals
from cambench.stages.progress import say
from cambench.stages.reproducing.inventory import begins_from
from cambench.stages.reproducing.plan import Job
from cambench.stages.workplace import Place
from cambench.store.jobs import folder
from cambench.vocabulary import CambenchError

PART = 32_000_000
"""Bytes of a part, the most of a file that is in memory at a time."""
EVERY = 10.0
"""Seconds between two looks for what has changed."""
KINDS = ("runs", "heatmaps", "records", "jobs")
Call = Callable[..., Any]
"""(name of a method of `Keeper`, its arguments) -> its answer, from wherever it is."""
Stamp = tuple[int, int]
"""When a file was written and its size."""


class Keeper:
    """The results' side: gives what a job begins from, takes in what it writes; the last attempt at a job counts."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.attempts: dict[str, str] = {}

    def begin(self, job: Job, attempt: str) -> list[tuple[str, int]]:
        """Path below the results and size of every file that a job begins from; from now on this attempt at it counts."""
        if job.key in self.attempts:
            shutil.rmtree(self.inbox(self.attempts[job.key]), ignore_errors=True)
        self.attempts[job.key] = attempt
        results = self.place.results
        paths = [*begins_from(job, self.place), folder(results) / f"{job.key}.json"]
        files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
        return [(file.relative_to(results).as_posix(), file.stat().st_size) for file in files if is_ours(file, results)]

    def read(self, path: str, start: int) -> bytes:
        """A part of a file."""
        with (self.place.results / path).open("rb") as file:
            file.seek(start)
            return file.read(PART)

    def write(self, attempt: str, path: str, start: int, data: bytes) -> None:
        """A part of a file that is to come; nobody sees it yet. Raises: CambenchError as `commit`."""
        self.check(attempt)
        incoming = self.inbox(attempt) / path
        with refusals(incoming):
            incoming.parent.mkdir(parents=True, exist_ok=True)
            with incoming.open("wb" if start == 0 else "ab") as file:
                file.write(data)

    def commit(self, attempt: str, written: Sequence[str], gone: Sequence[str]) -> None:
        """Let the files that came take their places in this order, and remove those that are gone.

        Raises: CambenchError where another attempt at the job has begun.
        """
        self.check(attempt)
        for path in written:
            with atomic_path(self.place.results / path) as temporary:
                (self.inbox(attempt) / path).replace(temporary)
        for path in gone:
            (self.place.results / path).unlink(missing_ok=True)
            with suppress(OSError):  # not empty
                (self.place.results / path).parent.rmdir()
        shutil.rmtree(self.inbox(attempt), ignore_errors=True)

    def check(self, attempt: str) -> None:
        """Raises: CambenchError for an attempt at a job at which another has begun since."""
        if attempt not in self.attempts.values():
            raise CambenchError("expected the only attempt at this job, got a later one beside it; this one ends.")

    def inbox(self, attempt: str) -> Path:
        """Where the parts of an attempt wait."""
        return folder(self.place.results) / f".{attempt}.incoming"


class Copy:
    """The job's side: results that hold what it begins from, and what has been sent of them."""

    def __init__(self, job: Job, attempt: str, results: Path, call: Call) -> None:
        self.attempt, self.results, self.call = attempt, results, call
        for path, size in call("begin", job, attempt):
            (results / path).parent.mkdir(parents=True, exist_ok=True)
            with (results / path).open("wb") as file:
                for start in range(0, size, PART):
                    file.write(call("read", path, start))
        self.sent = self.stamps()

    def stamps(self) -> dict[str, Stamp]:
        """Path -> when it was last written and its size, of every file that is complete."""
        files = [file for kind in KINDS for file in (self.results / kind).rglob("*")]
        stamps: dict[str, Stamp] = {}
        for file in files:
            with suppress(FileNotFoundError):  # gone since it was listed
                if is_ours(file, self.results):
                    stamp = file.stat()
                    stamps[file.relative_to(self.results).as_posix()] = (stamp.st_mtime_ns, stamp.st_size)
        return stamps

    def send(self) -> bool:
        """Send what has changed, as it is at one moment. -> whether there was such a moment, with nothing being written."""
        now = self.stamps()
        changed = sorted((path for path in now if now[path] != self.sent.get(path)), key=lambda path: now[path])
        gone = sorted(set(self.sent) - set(now))
        if not changed and not gone:
            return True
        with tempfile.TemporaryDirectory(dir=self.results.parent) as held:
            with suppress(FileNotFoundError):
                for path in changed:  # files are replaced, never changed: a link keeps what there is
                    (Path(held) / path).parent.mkdir(parents=True, exist_ok=True)
                    keep(self.results / path, Path(held) / path)
            if self.stamps() != now:
                return False
            for path in changed:
                with (Path(held) / path).open("rb") as file:
                    for start in range(0, max(now[path][1], 1), PART):
                        self.call("write", self.attempt, path, start, file.read(PART))
        self.call("commit", self.attempt, changed, gone)
        self.sent = now
        return True

    def follow(self, over: Event) -> None:
        """Send what has changed until the job is over; what does not arrive is said and sent the next time."""
        while not over.wait(EVERY):
            try:
                self.send()
            except CambenchError as e:
                say(f"{e}; sent again in {EVERY} s")


def keep(source: Path, target: Path) -> None:
    """Give a file as it is now a second name; a copy where the file system has no links."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def is_ours(path: Path, results: Path) -> bool:
    """Whether a path is a file that is complete: no lock, and nothing that is still being written."""
    names = path.relative_to(results).parts
    return path.is_file() and not any(name.startswith(".") and name.endswith((".tmp", ".lock")) for name in names)


@contextmanager
def mirrored(job: Job, attempt: str, place: Place, call: Call) -> Iterator[Place]:
    """The place of a job on a machine that does not see the results; the last changes are sent when the block ends.

    Images are read from the same folder as there, or from `CAMBENCH_DATA` of this machine.
    """
    data = place.data if place.data.is_dir() else Path(os.environ.get("CAMBENCH_DATA", place.data))
    with tempfile.TemporaryDirectory(prefix="cambench-") as own, ThreadPoolExecutor(1) as beside:
        copy, over = Copy(job, attempt, Path(own) / "results", call), Event()
        following = beside.submit(copy.follow, over)
        try:
            yield replace(place, results=copy.results, data=data)
        finally:
            over.set()
            following.exception()  # waits for it; whether an attempt still counts, the last send says
            while not copy.send():
                continue
