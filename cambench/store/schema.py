"""Schemas: the version of what a run, a heatmap file and a record say of themselves; an older one is refused by name.

Raise a number when what its files say of a job changes its meaning: what an older cambench wrote is then never taken for
what this one would write.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cambench.lookup import warn
from cambench.vocabulary import CambenchError

RUN = 2
HEATMAPS = 2
RECORD = 2
"""2: the contents of images and annotations, the source of a network and the versions of formulas are in every identity."""
JOB = 1


def check(path: Path, written: Any, current: int, what: str, mend: str) -> None:
    """See that a file is of the schema that this version writes.

    Raises: CambenchError naming the file, its schema and the mend.
    """
    if isinstance(written, int) and written < current:
        raise CambenchError(f"{path}: {what} of schema {written}: written by an older cambench; {mend}")
    if written != current:
        raise CambenchError(f"{path}: not {what} of schema {current} (got {written}); {mend}")


def pass_over(faults: Sequence[CambenchError]) -> None:
    """Say of the files that a verb passes over, which walks over everything, what is wrong: in one line, and once."""
    if faults:
        more = f" (and {len(faults) - 1} more such files)" if len(faults) > 1 else ""
        warn(f"passed over: {faults[0]}{more}")
