"""The per-image rows of a record: back as written, and a clear error for what is damaged."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from cambench.store.records import Record, Value, read_origin, read_rows, records_of, rows_path, write_record, write_rows
from cambench.vocabulary import CambenchError

IDS = ["001.Ålesund/a b.jpg", "2", "3#dog"]


def test_rows_come_back_without_the_columns_about_them(tmp_path: Path) -> None:
    one = {"row": np.arange(3), "": np.array([0.0, 1.0, 0.5])}
    write_rows(tmp_path / "top1.h5", {}, one, IDS, {"spec": "birds"})
    found = read_rows(tmp_path / "top1.h5")
    assert list(found.values) == [""] and found.values[""].tolist() == [0.0, 1.0, 0.5] and found.ids == IDS
    assert found.values[""].dtype == np.float64
    assert read_origin(tmp_path / "top1.h5") == {"spec": "birds"}
    two = {"row": np.arange(3), "zero": np.array([True, False, False]), "official": np.zeros(3), "correct": np.ones(3)}
    write_rows(tmp_path / "ch.h5", {}, two, IDS, {})
    assert set(read_rows(tmp_path / "ch.h5").values) == {"official", "correct"}


def test_variants_with_a_slash_in_their_names_come_back(tmp_path: Path) -> None:
    three = {"row": np.arange(3), "0.15/drop/mag": np.zeros(3), "0.15/up": np.ones(3), "label": np.arange(3)}
    write_rows(tmp_path / "sweep.h5", {}, three, IDS, {})
    found = read_rows(tmp_path / "sweep.h5")
    assert set(found.values) == {"0.15/drop/mag", "0.15/up", "label"} and found.values["0.15/up"].tolist() == [1, 1, 1]


def test_missing_truncated_and_foreign_rows_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with pytest.raises(CambenchError, match=r"a\.h5: expected the per-image rows of a record"):
        read_rows(path)
    write_rows(path, {}, {"row": np.arange(3), "": np.zeros(3)}, IDS, {})
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CambenchError, match=r"a\.h5: expected the per-image rows of a record"):
        read_rows(path)
    with h5py.File(path, "w") as f:
        f.attrs["schema"] = 99
    with pytest.raises(CambenchError, match=r"not per-image rows of schema 2 \(got 99\)"):
        read_rows(path)


def test_a_runs_records_come_with_their_files(tmp_path: Path) -> None:
    for run, metric in (("a", "top1"), ("a", "ch"), ("ab", "top1")):
        value = {"": Value(1.0, 3, 0.1, (0.9, 1.1))}
        write_record(
            tmp_path / "records" / run / f"test.{metric}.json", Record(run, "d", "test", "m", "r", 0, metric, value)
        )
    found = records_of(tmp_path, "a")
    assert [(rows_path(record.path).name, record.metric) for record in found] == [
        ("test.ch.h5", "ch"),
        ("test.top1.h5", "top1"),
    ]
    assert records_of(tmp_path, "none") == []
