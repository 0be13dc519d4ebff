"""Durations are of a clock that never goes back; the time of day is read only where a date is shown or a file's age told."""

from __future__ import annotations

import re
from pathlib import Path

import cambench

PACKAGE = Path(cambench.__file__).parent
TIME_OF_DAY = re.compile(r"\btime\.time\b|\btime\.time_ns\b|\bclock\.time\b|datetime\.(now|today|utcnow)|from time import")
READERS = {
    "store/jobs.py": "when a job began and ended, for a person",
    "stages/reproducing/states.py": "how long a job has been running, for a person",
    "data/content.py": "whether a file is so young that it may change within its date",
}


def test_only_these_files_read_the_time_of_day() -> None:
    files = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    assert {name for name, text in files.items() if TIME_OF_DAY.search(text)} == set(READERS)
