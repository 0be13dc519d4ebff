"""Published values: what a paper printed, keyed by table, row and column of `published/<paper>.csv`.

Columns: paper, table, row, column, dataset, arch, setting, metric, value, std, unit, higher_is_better. An empty `std` was
not published; the word `missing` marks a number that the paper printed but that cannot be recovered from its text.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files

from cambench.lookup import canonical, find
from cambench.vocabulary import DataError

COLUMNS = [
    "paper", "table", "row", "column", "dataset", "arch",
    "setting", "metric", "value", "std", "unit", "higher_is_better",
]  # fmt: skip
MISSING = "missing"
DIRECTIONS: dict[str, bool | None] = {"true": True, "false": False, "": None}

Key = tuple[str, str, str]
"""(table, row, column), for example ("6", "Baseline", "CUB-200")."""


@dataclass(frozen=True, slots=True)
class Published:
    """One printed number. `value` is None where it is not recoverable, `std` where none was printed or recovered."""

    value: float | None
    std: float | None
    unit: str
    higher_is_better: bool | None
    setting: str = ""


def load_published(paper: str) -> dict[Key, Published]:
    """Every published value of a paper; empty where the package holds none of it.

    Raises: DataError naming the file, the line and the column that is not as described above.
    """
    name = f"{canonical(paper)}.csv"
    source = files("cambench.recipes") / "published" / name
    if not source.is_file():
        return {}
    return parse(source.read_text(encoding="utf-8").splitlines(), f"published/{name}")


def parse(lines: Iterable[str], place: str) -> dict[Key, Published]:
    """The values in the lines of a file."""
    reader = csv.DictReader(lines)
    if reader.fieldnames != COLUMNS:
        columns = ", ".join(reader.fieldnames or ["none"])
        raise DataError(f"{place}: expected the columns {', '.join(COLUMNS)}, got {columns}.")
    values: dict[Key, Published] = {}
    for row in reader:
        where = f"{place}, line {reader.line_num}"
        key = (row["table"], row["row"], row["column"])
        if key in values:
            raise DataError(f"{where}: table {key[0]} already has a value for row {key[1]!r}, column {key[2]!r}.")
        if not row["value"]:
            raise DataError(f"{where}: expected a number or `{MISSING}` as value, got nothing.")
        values[key] = Published(
            number(row["value"], f"{where}, value"),
            number(row["std"], f"{where}, std"),
            row["unit"],
            find_direction(row["higher_is_better"], f"{where}, higher_is_better"),
            row["setting"],
        )
    return values


def number(text: str, where: str) -> float | None:
    """A finite number; None for nothing and for the word `missing`."""
    if text in ("", MISSING):
        return None
    try:
        value = float(text)
    except ValueError as e:
        raise DataError(f"{where}: expected a number or `{MISSING}`, got {text!r}.") from e
    if not math.isfinite(value):
        raise DataError(f"{where}: expected a finite number or `{MISSING}`, got {text!r}.")
    return value


def find_direction(text: str, where: str) -> bool | None:
    """`true`, `false`, or nothing where neither direction is better."""
    if text not in DIRECTIONS:
        raise DataError(f"{where}: expected true, false or nothing, got {text!r}.")
    return DIRECTIONS[text]


def find_published(values: Mapping[Key, Published], key: Key) -> Published:
    """The value under a key that a table recipe names.

    Raises: UsageError with the nearest keys.
    """
    if key in values:
        return values[key]
    known = {canonical(" | ".join(k)): v for k, v in values.items() if k[0] == key[0]}
    return find(" | ".join(key), known, "published value")
