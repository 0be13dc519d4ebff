"""Remove a run with its heatmaps and records, or the records of some of its metrics alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cambench.files import clear, remove_folder
from cambench.metrics import find_metric
from cambench.stages.workplace import run_of
from cambench.store.locks import at_work, only_writer
from cambench.store.records import records_of, rows_path
from cambench.store.runs import Run
from cambench.vocabulary import CambenchError, UsageError, number_of


@dataclass(frozen=True)
class Removal:
    """What goes: folders, or the files of records. `text` says it; `size`: bytes on disk."""

    run: Run
    paths: tuple[Path, ...]
    text: str
    size: int


def planned(name: str, metrics: Sequence[str], results: Path) -> Removal:
    """What is removed of a run; without metrics all of it.

    Raises: UsageError for a run or metric that is not there; CambenchError while another process writes to any of it.
    """
    run = run_of(name, results)
    check_idle(run, [run.path.parent / f".{run.name}.lock", *locks_beside(run)])
    paths, text = of_metrics(run, metrics) if metrics else whole(run)
    return Removal(run, paths, f"{run.name}: {text}", sum(file.stat().st_size for path in paths for file in files_in(path)))


def beside(run: Run) -> tuple[Path, Path]:
    """The folders of a run's heatmaps and records, in the results root in which the run lies."""
    results = run.path.parents[1]
    return results / "heatmaps" / run.name, results / "records" / run.name


def locks_beside(run: Run) -> list[Path]:
    """The lock files of its heatmaps and records."""
    return [path for folder in beside(run) for path in folder.glob(".*.lock")]


def check_idle(run: Run, locks: Iterable[Path]) -> None:
    """Raises: CambenchError where another process holds one of the locks."""
    if writers := at_work(locks):
        raise CambenchError(f"{run.name}: expected nobody at work on it, got another process at {writers[0]}; end it first.")


def whole(run: Run) -> tuple[tuple[Path, ...], str]:
    """The folders of a run, the run's own last, and what is in them."""
    heatmaps, records = beside(run)
    counts = [
        f"the run itself ({run.info.kind}, {number_of(len(run.log()), 'epoch')})",
        number_of(len([*heatmaps.glob("*.h5")]), "heatmap file"),
        number_of(len([*records.glob("*.json")]), "record"),
    ]
    return tuple(path for path in (heatmaps, records, run.path) if path.is_dir()), ", ".join(counts)


def of_metrics(run: Run, metrics: Sequence[str]) -> tuple[tuple[Path, ...], str]:
    """The records of the metrics with their rows; one whose package is gone goes by the name that its records have."""
    records = records_of(run.path.parents[1], run.name)
    measured = {record.metric for record in records}
    names = [name if name in measured else find_metric(name).name for name in metrics]
    for name in names:
        if name not in measured:
            others = ", ".join(sorted(measured)) or "nothing"
            raise UsageError(f"{run.name}: expected a record of {name}, found none; it was measured on {others}.")
    chosen = [record.path for record in records if record.metric in names]
    files = tuple(file for path in chosen for file in (path, rows_path(path)) if file.exists())
    return files, f"{number_of(len(chosen), 'record')} of {', '.join(names)}"


def files_in(path: Path) -> list[Path]:
    """A file itself, or every file below a folder."""
    return [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]


def remove(removal: Removal) -> None:
    """Remove it, and what a killed removal left of any run.

    Raises: CambenchError while another process writes to the run's heatmaps or records: somebody may have begun meanwhile.
    """
    with only_writer(removal.run.path):
        check_idle(removal.run, locks_beside(removal.run))
        for kind in ("heatmaps", "records", "runs"):
            clear(removal.run.path.parents[1] / kind)
        for path in removal.paths:
            if path.is_file() or path.is_symlink():  # of a link the link alone
                path.unlink()
            else:
                remove_folder(path)
