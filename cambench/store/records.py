"""Records: one measured metric of one run, as JSON, with its per-image rows beside it in HDF5.

Tables are computed from records only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cambench.files import atomic_buffer, read_json, write_json
from cambench.store import schema
from cambench.store.parts import Arrays
from cambench.vocabulary import CambenchError, Value

__all__ = [
    "Record",
    "Rows",
    "Value",
    "read_columns",
    "read_origin",
    "read_record",
    "read_records",
    "read_rows",
    "readable",
    "records_of",
    "rows_path",
    "write_record",
    "write_rows",
]

MEND = "measure it again with `cambench eval`; or delete it."
MEND_ROWS = "delete the record beside it and run `cambench eval` again."
ABOUT_ROWS = ("row", "zero", "counted")
"""Columns of a rows file that are no variant of the metric."""


@dataclass(frozen=True)
class Record:
    """One metric of one run on one split; `values` has an entry for each variant of the metric ("" where there is one).

    `partial` and `deviations` are sentences that must stand under every table that shows a value of this record. So are
    `warnings`, what went wrong in the run's own training; unlike those they are no condition: seeds that share a recipe are
    averaged, those that diverged included.
    `explainer`, `target` and `layer` are None for metrics that look at no heatmap. `checkpoint`: of which epoch the run's
    weights are, `last` or `best`. `options`: those of the metric and the explainer with their values, defaults among them.
    `path` and `stored` are not in the file: which file it is, and whether the command that
    asked for it found it there. `explaining`: seconds an image of making its heatmaps, a pass that explainers share counted
    for each; None where they were there.
    """

    run: str
    dataset: str
    split: str
    method: str
    arch: str
    seed: int
    metric: str
    values: dict[str, Value]
    explainer: str | None = None
    target: str | None = None
    layer: str | None = None
    comparable: bool = True
    partial: tuple[str, ...] = ()
    deviations: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    explaining: float | None = None
    device: str = "cpu"
    precision: str = "float32"
    checkpoint: str = "last"
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    job: dict[str, Any] = field(default_factory=dict)
    schema: int = schema.RECORD
    path: Path = field(default=Path(), compare=False)
    stored: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        """One line for a person: the metric, whose maps it looked at, its values, and what they took."""
        values = [" ".join(filter(None, (name, str(value)))) for name, value in self.values.items()]
        n = next(iter(self.values.values())).n
        took = f"from the store, measured in {self.seconds:.1f} s" if self.stored else f"{self.seconds:.1f} s"
        maps = f" ({self.explainer} {self.target})" if self.explainer else ""
        return f"{self.run}  {self.metric}{maps}  {'  '.join(values)}  (n={n})  {took}"

    def __repr__(self) -> str:
        return f"<Record {self}>"

    def plain(self) -> dict[str, Any]:
        """What its file says."""
        return {name: value for name, value in asdict(self).items() if name not in ("path", "stored")}


def write_record(path: Path, record: Record) -> None:
    """Write the record whole or not at all."""
    write_json(path, record.plain())


def read_record(path: Path) -> Record:
    """Read one record.

    Raises: CambenchError naming the file if it is not a record of this schema.
    """
    data = read_json(path)
    written = data.get("schema") if isinstance(data, dict) else type(data).__name__
    schema.check(path, written, schema.RECORD, "a record", MEND)
    try:
        data["values"] = {
            name: Value(**{**v, "interval": v["interval"] and tuple(v["interval"])}) for name, v in data["values"].items()
        }
        for name in ("partial", "deviations", "warnings"):
            data[name] = tuple(data[name])
        return Record(**data, path=path)
    except (KeyError, TypeError, AttributeError) as e:
        raise CambenchError(f"{path}: expected a record, got one in which {e} is wrong or missing; {MEND}") from e


def read_records(root: Path) -> list[Record]:
    """Every record under a results root, in the order of their paths."""
    return readable(sorted((root / "records").glob("*/*.json")))


def readable(paths: Sequence[Path]) -> list[Record]:
    """The records of the files; those that cannot be read are said and passed over."""
    records, faults = [], []
    for path in paths:
        try:
            records.append(read_record(path))
        except CambenchError as e:
            faults.append(e)
    schema.pass_over(faults)
    return records


def write_rows(path: Path, job: dict[str, Any], rows: Arrays, ids: list[str], origin: Mapping[str, Any]) -> None:
    """The per-image rows of a record in HDF5: one data set a variant ("value" for the only one), and the image ids.

    origin: how to load the images again.
    """
    with atomic_buffer(path) as buffer, h5py.File(buffer, "w", libver="latest") as f:
        f.attrs["schema"] = schema.RECORD
        f.attrs["job"] = json.dumps(job)
        f.attrs["origin"] = json.dumps(dict(origin))
        for name, column in rows.items():
            f.create_dataset(name or "value", data=column)
        f.create_dataset("id", data=np.array([i.encode() for i in ids]), chunks=True, compression="gzip", shuffle=True)


@dataclass(frozen=True)
class Rows:
    """A record's per-image rows, before the metric's scale: variant ("" for the only one) -> (N,), and the N image ids."""

    values: dict[str, NDArray[np.float64]]
    ids: list[str]


def rows_path(record_path: Path) -> Path:
    """Where a record's per-image rows lie."""
    return record_path.with_suffix(".h5")


def read_columns(path: Path) -> dict[str, NDArray[Any]]:
    """Every column of the rows beside a record, of any shape (N, …), as it was written; `id` is among them.

    Raises: CambenchError naming the file if it is missing, truncated, foreign or of another schema.
    """
    with rows_file(path) as f:
        written = f.attrs.get("schema")
        schema.check(path, written if written is None else int(written), schema.RECORD, "per-image rows", MEND_ROWS)
        names: list[str] = []  # of data sets: a `/` in a variant's name makes a group of what stands before it
        f.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        return {name: f[name][()] for name in names}


@contextmanager
def rows_file(path: Path) -> Iterator[h5py.File]:
    """The rows beside a record, open. Raises: CambenchError naming the file if it is missing, truncated or foreign."""
    try:
        with h5py.File(path, "r") as f:
            yield f
    except OSError as e:
        raise CambenchError(f"{path}: expected the per-image rows of a record, got {e}; {MEND_ROWS}") from e


def read_origin(path: Path) -> dict[str, Any] | None:
    """How to load the images behind a record's rows again; None in rows of an older cambench. Raises: as `rows_file`."""
    with rows_file(path) as f:
        return json.loads(f.attrs["origin"]) if "origin" in f.attrs else None


def read_rows(path: Path) -> Rows:
    """The columns of a record's rows that have one number an image, over the images that count.

    Raises: CambenchError as `read_columns`.
    """
    columns = read_columns(path)
    ids = [i.decode() for i in columns.pop("id").tolist()]
    counted = columns.get("counted", np.ones(len(ids), dtype=bool))
    values = {
        "" if name == "value" else name: column[counted].astype(np.float64)
        for name, column in columns.items()
        if name not in ABOUT_ROWS and column.ndim == 1
    }
    return Rows(values, [i for i, counts in zip(ids, counted, strict=True) if counts])


def records_of(root: Path, run: str) -> list[Record]:
    """A run's records, in the order of their paths."""
    return readable(sorted((root / "records" / run).glob("*.json")))
