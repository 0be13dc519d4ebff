"""The records behind a page, and the log of their trainings, as one file a paper: `records/<paper>.tar.xz`.

Unpacked it is a results root without weights and heatmaps: `cambench claims --results FOLDER` gives the page's verdicts.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path

from cambench.store.records import Record, read_records, rows_path
from cambench.store.runs import Run, read_runs


def unpack(path: Path, root: Path) -> None:
    """What is kept in a file, into a results root; nothing where there is no file."""
    if not path.exists():
        return
    with tarfile.open(path) as tar:
        for entry in tar:
            target = root / entry.name
            if entry.isfile() and target.resolve().is_relative_to(root.resolve()):
                target.parent.mkdir(parents=True, exist_ok=True)
                content = tar.extractfile(entry)
                assert content is not None
                target.write_bytes(content.read())


def add(results: Path, root: Path) -> None:
    """The records of a results root and the logs of its runs, into another; what both have is taken from the first."""
    for path in files(read_records(results), read_runs(results)):
        target = root / path.relative_to(results)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def files(records: Iterable[Record], runs: Iterable[Run]) -> list[Path]:
    """What is kept of records and runs."""
    measured = [path for record in records for path in (record.path, rows_path(record.path))]
    trained = [run.path / name for run in runs for name in ("run.json", "log.jsonl")]
    return sorted(path for path in (*measured, *trained) if path.exists())


def pack(packed: Path, root: Path, records: Iterable[Record], runs: Iterable[Run]) -> None:
    """Keep records and runs of a root in a file; the same ones give the same bytes."""
    packed.parent.mkdir(exist_ok=True)
    with tarfile.open(packed, "w:xz", preset=9) as tar:
        for path in files(records, runs):
            entry = tarfile.TarInfo(path.relative_to(root).as_posix())
            entry.size = path.stat().st_size
            with path.open("rb") as stream:
                tar.addfile(entry, stream)
