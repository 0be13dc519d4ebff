"""One job on several processes: the same weights and files, whoever went on; one line when one of them dies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from pair import together
from tiny import TINY

from cambench import processes
from cambench.stages import elastic
from cambench.stages.measuring import explain as explaining
from cambench.stages.measuring import rows as measuring
from cambench.stages.measuring import works
from cambench.stages.measuring.explain import ExplainJob
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.training.loop import Loop
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.checkpoints import load_checkpoint
from cambench.store.parts import Parts
from cambench.store.runs import read_run
from cambench.vocabulary import CambenchError, UsageError

TRAINING = TrainJob("cgc", "synthbirds", overrides=[*TINY, "train.batch_norm=global", "objective_settings.group=3"])


def stopped(place: Place) -> tuple[str, str]:
    """Train until the first epoch is written. -> what was said, and who this is."""
    finish = Loop.finish

    def once(self: Loop, epoch: int, values: dict[str, float]) -> None:
        finish(self, epoch, values)
        raise CambenchError("stopped")

    Loop.finish = once  # type: ignore[method-assign]
    with pytest.raises(CambenchError) as caught:
        train(TRAINING, place)
    return str(caught.value), f"{processes.rank()} of {processes.count()}"


def trained(place: Place) -> dict[str, torch.Tensor]:
    """The weights of the whole training."""
    run = train(TRAINING, place)
    weights: dict[str, torch.Tensor] = load_checkpoint(run.path / "last.pt")["model"]
    return weights


def test_two_processes_train_what_one_does_and_any_number_goes_on(birds: Path, tmp_path: Path) -> None:
    alone, place = (Place(birds, tmp_path / name, "cpu") for name in ("alone", "pair"))
    assert together(tmp_path / "a", stopped, place) == [("stopped", "0 of 2"), ("stopped", "1 of 2")]
    (path,) = (place.results / "runs").iterdir()
    assert not read_run(path).finished and len(read_run(path).log()) == 1
    shutil.copytree(place.results, alone.results)
    one = trained(alone)
    first, second, third = together(tmp_path / "b", trained, place, n=3)
    assert all(torch.equal(first[name], second[name]) and torch.equal(first[name], third[name]) for name in first)
    for name, weights in one.items():
        torch.testing.assert_close(first[name], weights, rtol=1e-4, atol=1e-5, msg=name)
    run, other = read_run(path), read_run(next((alone.results / "runs").iterdir()))
    assert run.finished and run.name == other.name
    assert (run.info.processes, other.info.processes) == ((2, 3), (2, 1))
    for ours, theirs in zip(run.log(), other.log(), strict=True):
        same = {name: value for name, value in theirs.items() if name not in ("seconds", "images_per_second")}
        assert {name: ours[name] for name in same} == pytest.approx(same, rel=1e-4, abs=1e-4)


ONLY = works.Works(["synthbirds-cgc"])
MEASURED = [EvalJob("iauc", batch_size=8), EvalJob("ch", batch_size=8), EvalJob("top1", batch_size=8)]


def copy_of(place: Place, folder: Path) -> Place:
    """A results root with the finished runs and nothing measured."""
    folder.mkdir()
    (folder / "runs").symlink_to(place.results / "runs")
    return Place(place.data, folder, "cpu")


def measured(place: Place) -> list[str]:
    """Make heatmaps and rows in chunks of 16; the values as they are printed."""
    explaining.CHUNK = measuring.COMMIT = 16
    works.explain_all(ONLY, [ExplainJob(batch_size=8)], place)
    return [str(record.values) for record in works.evaluate_all(ONLY, MEASURED, place)]


def cut(place: Place) -> None:
    """Begin as `measured`, and stop after the second chunk of the heatmaps, before the first is written."""
    explaining.CHUNK = 16
    write, calls = Parts.write, []

    def late(self: Parts, chunk: range, arrays: object) -> None:
        calls.append(chunk)
        if len(calls) == 2:
            write(self, chunk, arrays)  # type: ignore[arg-type]
            raise CambenchError("stopped")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(CambenchError, match="stopped"):
        patch.setattr(Parts, "write", late)
        works.explain_all(ONLY, [ExplainJob(batch_size=8)], place)


def files(place: Place) -> dict[str, bytes]:
    """The heatmaps and rows below a results root, by their paths there."""
    found = [*place.results.glob("heatmaps/*/*"), *place.results.glob("records/*/*.h5")]
    return {str(path.relative_to(place.results)): path.read_bytes() for path in found}


def test_any_number_writes_the_same_bytes(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "CHUNK", 16)
    monkeypatch.setattr(measuring, "COMMIT", 16)
    one, two, three = (copy_of(place, tmp_path / name) for name in ("one", "two", "three"))
    values = measured(one)
    assert together(tmp_path / "a", measured, two) == [values, values]
    cut(three)
    assert [p.name for p in three.results.rglob("part-*")] == ["part-000000016-16.npz"]
    assert together(tmp_path / "b", measured, three, n=3) == [values] * 3
    assert len(files(one)) == 6 and files(one) == files(two) == files(three), "no row more or less, no parts, no locks"


def failing() -> str:
    """A block that fails in the second process."""
    with pytest.raises(UsageError) as caught, processes.as_one():
        if processes.rank() == 1:
            raise UsageError("one: expected two, got three.")
    return str(caught.value)


def test_what_fails_in_one_process_fails_in_all(tmp_path: Path) -> None:
    assert together(tmp_path, failing) == ["one: expected two, got three."] * 2


def test_what_a_launcher_says() -> None:
    assert elastic.outcome({1: 3, 0: -15}, 2) == 3, "who could say why has said it"
    with pytest.raises(CambenchError, match="process 1 of 2: ended by SIGKILL; what is finished is kept"):
        elastic.outcome({0: -15, 1: -9, 2: processes.LostError.exit_code}, 2)
    with pytest.raises(UsageError, match="--device mps with --devices 2: expected auto, cuda or cpu"):
        elastic.check(2, "mps")


def children(pid: int) -> dict[str, int]:
    """RANK -> process, of those that a launcher started."""
    ranks = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        entries = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        ranks |= {entry[5:].decode(): int(child) for entry in entries if entry.startswith(b"RANK=")}
    return ranks


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_a_process_that_is_killed_ends_all_with_one_line(birds: Path, tmp_path: Path) -> None:
    settings = [word for setting in [*TINY[:2], "train.epochs=500"] for word in ("--set", setting)]
    command = ["train", "ce", "-d", "synthbirds", "--devices", "2", "--device", "cpu", "--workers", "0", *settings]
    roots = ["--data-root", str(birds), "--results", str(tmp_path)]
    started = subprocess.Popen(
        [sys.executable, "-m", "cambench", *command, *roots], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not list(tmp_path.glob("runs/*/last.pt")):
        assert started.poll() is None, started.communicate()
        time.sleep(0.1)
    os.kill(children(started.pid)["1"], signal.SIGKILL)
    printed, said = started.communicate()
    lines = [line for line in said.splitlines() if "epoch" not in line and "images" not in line]
    assert started.returncode == 1 and printed == ""
    what = "process 1 of 2: ended by SIGKILL; what is finished is kept, and the same command goes on from there."
    assert lines == [f"error: {what}"]
    (run,) = (read_run(path) for path in (tmp_path / "runs").iterdir() if path.is_dir())
    assert load_checkpoint(run.path / "last.pt")["epoch"] in (len(run.log()), len(run.log()) - 1) and not run.finished
