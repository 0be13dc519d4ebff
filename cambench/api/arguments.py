"""What a function takes: names, runs, paths, each as one value or as several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cambench.store.runs import Run

    Runs = str | Path | Run | Sequence[str | Path | Run]

Names = str | Sequence[str]
File = str | Path


def names_of(names: Names | None) -> list[str]:
    """One name as a list of it; none as an empty list."""
    return [names] if isinstance(names, str) else list(names or ())


def runs_of(runs: Runs) -> list[str]:
    """Each run as the command line names it, a `Run` by its path."""
    several = isinstance(runs, Sequence) and not isinstance(runs, str)
    return [str(getattr(run, "path", run)) for run in (runs if several else [runs])]  # type: ignore[union-attr]


def path_of(path: File | None) -> Path | None:
    """A path, whatever it is written as."""
    return None if path is None else Path(path)
