"""What trainings took: times and memory by hand, and against which baseline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cambench.recipes.load import METHODS
from cambench.report.tables.cost import CGC, baseline, costs
from cambench.store.runs import Run, RunInfo


def run(root: Path, method: str, seconds: list[float], seed: int = 0, **facts: Any) -> Run:
    """A finished run of 100 images whose epochs took so many seconds."""
    known = {"arch": "resnet18", "device": "card", "peak_memory_bytes": None, "dataset": "cub", "size": 224, "batch": 32}
    known |= facts
    recipe = {"train": {"epochs": len(seconds), "batch_size": known.pop("batch")}, "input": {"size": known.pop("size")}}
    info = RunInfo(method=method, seed=seed, recipe=recipe, data={"images": 100}, **{"finished": True, **known})
    made = Run(root / f"{method}-{len(list(root.iterdir()))}", info)
    made.path.mkdir()
    made.write_log([{"epoch": i + 1, "seconds": s, "images_per_second": 999.0} for i, s in enumerate(seconds)])
    return made


def test_times_are_set_beside_the_baselines(tmp_path: Path) -> None:
    runs = [
        run(tmp_path, "ce", [1.0, 1.2, 4.0], peak_memory_bytes=2_000_000),
        run(tmp_path, "cgc", [2.0, 2.4, 2.4]),
        run(tmp_path, "cgc", [3.6, 3.6, 3.6], seed=1),
        run(tmp_path, "gcc", [6.0, 6.0]),
        run(tmp_path, "gcc", [9.0], finished=False),
        run(tmp_path, "gcc", [9.0], kind="added"),
    ]
    (table,) = costs(runs)
    assert table.row_headers == ("Method", "Epochs") and table.title == "resnet18, 224 px, batch 32, card"
    assert [row.label for row in table.rows] == [("ce", "3 epochs"), ("cgc", "3 epochs"), ("gcc", "2 epochs")]
    assert [[cell.text for cell in row.cells] for row in table.rows] == [
        ["6.2", "12.00", "1.00", "2"],
        ["8.8 ± 2.8", "30.00 ± 8.49", "2.50 ± 0.71", "—"],
        ["12.0", "60.00", "5.00", "—"],
    ]
    assert CGC in table.notes and "× baseline: against ce." in (*table.notes, *table.footnotes)


def test_a_seed_counts_once_and_no_training_is_lost(tmp_path: Path) -> None:
    twice = [run(tmp_path, "ce", [1.0]), run(tmp_path, "ce", [3.0]), run(tmp_path, "ce", [2.0], seed=1)]
    (table,) = costs(twice)
    labels = [row.label[0].replace("\N{NO-BREAK SPACE}", " ") for row in table.rows]
    assert labels == ["ce (run ce-0)", "ce (run ce-1)"]
    assert [row.cells[0].text for row in table.rows] == ["1.5 ± 0.7", "3.0"]
    near = [run(tmp_path, "cgc", [1.0]), run(tmp_path, "cgc", [3.0])]
    near = [replace(one, info=replace(one.info, recipe={**one.info.recipe, "optimizer": {"lr": lr}}))
            for one, lr in zip(near, (0.1000001, 0.1000002), strict=True)]  # fmt: skip
    (table,) = costs(near)
    assert len({row.label for row in table.rows}) == 2, "told apart though their rates are printed alike"


def test_the_baseline_is_one_of_as_many_epochs_where_there_is_one(tmp_path: Path) -> None:
    runs = [run(tmp_path, "ce", [1.0]), run(tmp_path, "ce", [5.0, 5.0]), run(tmp_path, "cgc", [3.0])]
    runs.append(run(tmp_path, "cgc", [6.0, 6.0, 6.0]))
    (table,) = costs(runs)
    rows = {row.label: row.cells[2].text for row in table.rows}
    assert rows == {("ce", "1 epoch"): "1.00", ("ce", "2 epochs"): "1.00", ("cgc", "1 epoch"): "3.00",
                    ("cgc", "3 epochs"): "2.00"}, "of other lengths all of them"  # fmt: skip


def test_only_like_is_compared_with_like(tmp_path: Path) -> None:
    runs = [run(tmp_path, "ce", [1.0]), run(tmp_path, "cgc", [1.0], size=64), run(tmp_path, "cgc", [1.0], device="other")]
    runs += [run(tmp_path, "cgc", [1.0], arch="resnet50"), run(tmp_path, "cgc", [1.0], batch=8)]
    runs += [run(tmp_path, "gcc", [1.0], dataset="cars")]
    cars, cub = costs(runs)
    assert cars.id.startswith("cars") and cars.rows[0].cells[2].measured is None and CGC not in cars.notes
    assert len(cub.rows) == 5 and [row.label[0] for row in cub.rows if row.cells[2].measured] == ["ce"]


@pytest.mark.parametrize(
    ("method", "plain"),
    [
        ("ce", "ce"),
        ("cgc", "ce"),
        ("cgc-no-negatives", "ce"),
        ("cgc-semi", "ce-semi"),
        ("calm-em", "cam"),
        ("rcfce", "ce-arch"),
    ],
)
def test_the_baseline_is_the_nearest_plain_cross_entropy(method: str, plain: str) -> None:
    assert baseline(method) == plain and baseline("nobody's") == "nobody's"
    assert all(baseline(name) in METHODS for name in METHODS)


def test_trainings_of_one_method_have_rows_of_their_own(tmp_path: Path) -> None:
    half = {"train": {"epochs": 1, "batch_size": 32, "precision": "bf16"}, "input": {"size": 224}}
    runs = [run(tmp_path, "ce", [4.0]), run(tmp_path, "cgc", [12.0])]
    runs += [
        replace(run(tmp_path, m, [s]), info=replace(runs[i].info, recipe=half))
        for i, (m, s) in enumerate((("ce", 1.0), ("cgc", 3.0)))
    ]
    heavy = replace(runs[1].info, recipe={**runs[1].info.recipe, "objective_settings": {"weight": 1.0}})
    runs.append(replace(run(tmp_path, "cgc", [8.0], seed=0), info=heavy))
    runs.append(replace(run(tmp_path, "cgc", [2.0]), info=replace(runs[1].info, processes=(2,))))
    (table,) = costs(runs)
    rows = {row.label: [cell.text for cell in row.cells[1:3]] for row in table.rows}
    assert (
        table.row_headers == ("Method", "Precision", "Processes")
        and table.title == "1 epoch, resnet18, 224 px, batch 32, card"
    )
    assert rows["ce", "float32", "1 process"] == ["40.00", "1.00"] and rows["cgc", "bf16", "1 process"] == ["30.00", "3.00"]
    assert rows["cgc (weight 1)", "float32", "1 process"] == ["80.00", "2.00"] and len(rows) == 6
    assert rows["cgc", "float32", "2 processes"] == ["20.00", "—"]
