"""Reproduce: only what is missing, failures beside results, workers side by side, kills survived."""

from __future__ import annotations

import ast
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from boards import board, fail_or_write, perform_and_say, written
from forked import started
from tiny import TINY

from cambench import models
from cambench.recipes.tables import TableRecipe
from cambench.report import Table
from cambench.stages.reporting.choice import Choice
from cambench.stages.reproducing import launch as launching
from cambench.stages.reproducing.inventory import at_hand, settle
from cambench.stages.reproducing.launch import Device, launch, visible
from cambench.stages.reproducing.plan import Job, Network, Wish, make_jobs
from cambench.stages.reproducing.reproduce import Plan, make_plan, network_run, reproduce
from cambench.stages.workplace import Place
from cambench.store.jobs import lock
from cambench.store.locks import only_writer
from cambench.store.records import read_records
from cambench.vocabulary import CambenchError, DataError, UsageError

CE, CGC = '{ method = "ce" }', '{ method = "cgc" }'
DIVERGES = '{ method = "ce", settings = { "optimizer.lr" = 1e30, "schedule.warmup_epochs" = 0 } }'
CH = {"Top-1": 'metric = "top1"', "CH": 'metric = "ch", variant = "correct"'}
WISH = Wish(overrides=tuple(TINY))


def plan_of(table: TableRecipe, place: Place, wish: Wish = WISH) -> Plan:
    """A plan of a table that no file holds."""
    jobs = make_jobs([table], wish, lambda network: at_hand(network, place))
    for job in jobs:
        settle(job, place)
    return Plan([table], jobs)


def cell_notes(table: Table, row: int, column: int) -> list[str]:
    """The footnotes of one cell."""
    return [table.footnotes[mark - 1] for mark in table.rows[row].cells[column].marks]


def test_a_table_is_filled_and_then_nothing_is_left(place: Place, tmp_path: Path) -> None:
    there = Place(place.data, tmp_path, "cpu")
    table = board({"a": CE, "b": CGC}, CH, seeds=2)
    (made,), whole = reproduce(plan_of(table, there), there)
    assert whole and all(len(cell.measured.seeds) == 2 for row in made.rows for cell in row.cells if cell.measured)
    assert all(cell.measured and not cell.measured.comparable for row in made.rows for cell in row.cells)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = plan_of(table, there)
    assert not again.left and {job.state for job in again.jobs} == {"finished"}
    assert reproduce(again, there) == ([made], True)
    assert stamps == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    (fewer,), _ = reproduce(plan_of(table, there, replace(WISH, seeds=1)), there)
    assert fewer.rows[0].cells[0].measured is not None and fewer.rows[0].cells[0].measured.seeds == (0,)


def test_what_fails_is_a_footnote_and_stops_nothing_else(place: Place, tmp_path: Path) -> None:
    there = Place(place.data, tmp_path, "cpu")
    rows = {"fails": DIVERGES, "unknown": '{ method = "nothing-such" }', "works": CE}
    (made,), whole = reproduce(plan_of(board(rows, CH), there), there)
    assert not whole
    assert [[cell.measured is not None for cell in row.cells] for row in made.rows] == [[False] * 2, [False] * 2, [True] * 2]
    for column in range(2):
        (failed,), (unknown,) = (cell_notes(made, row, column) for row in range(2))
        assert failed.startswith("Not measured: synthbirds-ce-resnet8-s0-") and "expected a finite loss, got" in failed
        assert unknown.startswith("Not measured: unknown method 'nothing-such'")
        assert not any("Not measured" in note for note in cell_notes(made, 2, column))


def test_a_seed_that_fails_is_named_beside_those_that_did_not(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cambench.stages.reproducing import reproduce as stage

    there, real = Place(place.data, tmp_path, "cpu"), stage.perform

    def second_fails(job: Job, where: Place) -> None:
        if job.network.seed == 1:
            raise DataError("it is gone.")
        real(job, where)

    monkeypatch.setattr(stage, "perform", second_fails)
    (made,), whole = reproduce(plan_of(board({"a": CE}, seeds=3), there), there)
    measured = made.rows[0].cells[0].measured
    assert not whole and measured is not None and measured.seeds == (0, 2)
    assert cell_notes(made, 0, 0) == ["Seed 1 not measured: it is gone."]


def test_a_bug_is_not_taken_for_a_failure(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cambench.stages.reproducing import reproduce as stage

    monkeypatch.setattr(stage, "perform", lambda *_: [][0])
    there = Place(place.data, tmp_path, "cpu")
    with pytest.raises(IndexError):
        reproduce(plan_of(board({"a": CE}), there), there)


def test_without_data_every_cell_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    there = Place(tmp_path / "data", tmp_path / "results", "cpu")
    plan = make_plan(Choice(["cgc/1"], rows=["ResNet50"]), Wish(), there)
    (made,), whole = reproduce(plan, there)
    assert not whole and not there.results.exists(), "nothing was begun"
    baseline, gcc, cgc = (made.rows[r].cells[0] for r in range(3))
    assert [len(cell.marks) for cell in (baseline, gcc, cgc)] == [2, 1, 1], "data and weights; data; data"
    assert "CGC Table 1" in made.caption and made.rows[2].cells[0].text.startswith("— (74.60)")
    assert "imagenet: expected at" in cell_notes(made, 2, 0)[0]


@pytest.mark.parametrize(("choice", "said"), [
    (Choice(["cgc/66"]), "Did you mean cgc/6"),
    (Choice(["cgc/6"], on="synthbird"), "Did you mean synthbirds"),
    (Choice(["cgc/6"], on="synthbirds", arch="resnet88"), "Did you mean resnet8"),
    (Choice(["cgc/6"], arch="resnet8"), "expected --on DATASET beside it"),
    (Choice(["cgc/6"], rows=["CGD"]), "Did you mean cgc"),
    (Choice(["cgc/6"], columns=["Cars"]), "Did you mean cars-196"),
], ids=str)  # fmt: skip
def test_what_a_person_names_wrong_is_one_clear_error(choice: Choice, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        make_plan(choice, Wish(), Place(tmp_path, tmp_path, "cpu"))


def test_a_stand_in_at_its_own_path_is_found_there(place: Place, tmp_path: Path) -> None:
    there = Place(tmp_path / "empty", tmp_path / "results", "cpu")
    on = f"synthbirds:{place.data / 'synthbirds'}"
    plan = make_plan(Choice(["cgc/6"], rows=["Baseline"], on=on), replace(WISH, on=on, seeds=1), there)
    assert [job.network.dataset for job in plan.jobs] == [on] * 2 and len(plan.tables[0].columns) == 1
    (made,), whole = reproduce(plan, there)
    assert whole and made.rows[0].cells[0].measured is not None and not there.data.exists()


def test_two_workers_share_the_jobs_and_see_their_own_device(tmp_path: Path) -> None:
    devices = [Device("cpu", (("CUDA_VISIBLE_DEVICES", n),)) for n in ("5", "GPU-ab")]
    work = [Job(Network("ce", None, "synthbirds", seed)) for seed in range(6)]
    assert launch(work, fail_or_write, Place(tmp_path, tmp_path, "cpu"), devices) == {}
    told = [(tmp_path / job.key).read_text().split(" ", 3) for job in work]
    assert len({(pid, seen) for pid, _, seen, _ in told}) == 2 and {t[2] for t in told} == {"5", "GPU-ab"}
    assert written(Place(tmp_path, tmp_path)) == {job.key for job in work}


def hold(job: Job, results: Path, until: Path) -> None:
    """Be at a job until a file is there, or long enough to see that it does not come."""
    with only_writer(lock(results, job.key).parent / job.key):
        (results / "held").mkdir()
        for _ in range(2000):
            if not until.exists():
                time.sleep(0.01)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_another_process_is_at_is_done_last(tmp_path: Path, workers: int) -> None:
    work = [Job(Network("ce", None, "synthbirds", seed)) for seed in range(4)]
    work.append(Job(Network("ce", None, "cub", 0), None, (work[0].key,)))
    process = started(hold, work[0], tmp_path, tmp_path / work[3].key)
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    assert launch(work, fail_or_write, Place(tmp_path, tmp_path, "cpu"), [Device("cpu")] * workers) == {}
    process.join()
    before = {job.key: set(ast.literal_eval((tmp_path / job.key).read_text().split(" ", 3)[3])) for job in work}
    assert before[work[0].key] >= {work[n].key for n in ((1, 2, 3) if workers == 1 else (3,))}
    assert work[0].key in before[work[4].key], "what it needs comes first"


def test_a_worker_that_fails_or_dies_takes_only_what_needs_it_along(tmp_path: Path) -> None:
    work = [Job(Network(method, None, "synthbirds", seed)) for method in ("ce-dies", "ce-fails", "ce") for seed in (0, 1)]
    after = [Job(Network("ce", None, "cub", i), None, (job.key,)) for i, job in enumerate(work)]
    failed = launch([*work, *after], fail_or_write, Place(tmp_path, tmp_path, "cpu"), [Device("cpu")] * 2)
    died, refused = "its worker process ended with exit code 7; run the command again.", "it does not want to."
    assert [failed.get(job.key) for job in work] == [died, died, refused, refused, None, None]
    assert [failed.get(job.key) for job in after] == [died, died, refused, refused, None, None]
    assert written(Place(tmp_path, tmp_path)) == {job.key for job in (*work[4:], *after[4:])}


def test_two_workers_make_the_table_that_one_process_makes(place: Place, tmp_path: Path) -> None:
    table = board({"a": CE, "b": CGC}, CH)
    values = []
    for name, devices in (("one", [Device("cpu")]), ("two", [Device("cpu")] * 2)):
        there = Place(place.data, tmp_path / name, "cpu")
        plan = plan_of(table, there)
        assert launch(plan.left, perform_and_say, there, devices) == {}
        values.append([(r.run, r.metric, r.values) for r in read_records(there.results)])
        assert len({path.read_text() for path in there.results.glob("*.pid")}) == len(devices)
    assert values[0] == values[1] and len(values[0]) == 4


def test_devices_are_every_visible_card(monkeypatch: pytest.MonkeyPatch) -> None:
    assert visible("cpu") == [Device("cpu")]
    monkeypatch.setattr(launching.workplace, "device", lambda wanted: "cuda" if wanted == "auto" else wanted)
    monkeypatch.setattr(launching.torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [d.environment for d in visible("auto")] == [(("CUDA_VISIBLE_DEVICES", i),) for i in ("0", "1")]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 1")
    assert [d.environment[0][1] for d in visible("auto")] == ["3", "1"]
    assert visible("cuda:1") == [Device("cuda:1")]
    monkeypatch.setattr(launching.torch.cuda, "device_count", lambda: 1)
    assert visible("auto") == [Device("cuda")]


KILLED = """
import os, signal, sys
import torch
torch.set_num_threads(1)
from pathlib import Path
from cambench.stages.training import loop
from cambench.stages.workplace import Place
from cambench.stages.reproducing.plan import Wish
from cambench.stages.reporting.choice import Choice
from cambench.stages.reproducing.reproduce import make_plan, reproduce
data, results, when, *overrides = sys.argv[1:]
backward, calls = loop.Loop.backward, []
def counted(self, *given):
    calls.append(1)
    if len(calls) == int(when):
        os.kill(os.getpid(), signal.SIGKILL)
    return backward(self, *given)
loop.Loop.backward = counted
place = Place(Path(data), Path(results), "cpu")
reproduce(make_plan(Choice(["cgc/6"], on="synthbirds"), Wish("synthbirds", 1, tuple(overrides)), place), place)
"""


def test_a_killed_reproduce_goes_on_and_ends_like_one_that_was_not(place: Place, tmp_path: Path) -> None:
    """3 steps an epoch, 2 epochs: the 11th step is in the second epoch of the second run."""
    arguments = [str(place.data), str(tmp_path), "11", *TINY]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    there, wish = Place(place.data, tmp_path, "cpu"), replace(WISH, on="synthbirds", seeds=1)
    plan = make_plan(Choice(["cgc/6"], on="synthbirds"), wish, there)
    assert [(job.state, job.detail) for job in plan.jobs] == [
        ("finished", ""), ("finished", ""), ("partly", "epoch 1 of 2"), ("missing", "")
    ]  # fmt: skip
    (made,), whole = reproduce(plan, there)
    assert whole and all(row.cells[0].measured for row in made.rows)
    runs = [network_run(job.network, there) for job in plan.jobs[::2]]
    for run in runs:
        same = place.results / "runs" / run.name / "last.pt"
        assert same.read_bytes() == (run.path / "last.pt").read_bytes()


def test_a_run_that_vanished_is_said(place: Place) -> None:
    with pytest.raises(CambenchError, match="found none; run this again"):
        network_run(Network("ce", None, "synthbirds", 9), place)


def test_a_given_network_is_loaded_and_measured(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights in the place of torchvision's; 1,000 outputs do not fit 4 birds, which is the cell's reason."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    there = Place(place.data, tmp_path / "results", "cpu")
    file = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    file.parent.mkdir(parents=True)
    torch.save(models.build("resnet18").state_dict(), file)
    (made,), whole = reproduce(
        plan_of(board({"a": '{ method = "pretrained", arch = "torchvision:resnet18" }'}), there), there
    )
    (note,) = cell_notes(made, 0, 0)
    assert not whole and "expected 1000 classes, one an output of the network, got 4" in note
    assert network_run(Network("pretrained", "torchvision:resnet18"), there).info.kind == "given"
