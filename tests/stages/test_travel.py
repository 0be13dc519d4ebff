"""A run travels: packed after an epoch, unpacked elsewhere and trained on, it ends as if it had stayed."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from spoilt_packs import spoilt

from cambench.report.tables.summary import summary
from cambench.stages.housekeeping import packs
from cambench.stages.measuring import works
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.network import weights_hash
from cambench.stages.training.loop import Loop
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store import schema
from cambench.store.checkpoints import load_checkpoint
from cambench.store.packs import inherited
from cambench.store.records import read_rows, records_of, rows_path
from cambench.store.runs import Run, RunInfo, find_run
from cambench.vocabulary import CambenchError, UsageError

SUPCON = TrainJob("supcon", "synthbirds", overrides=("input.size=16", "train.epochs=2", "train.batch_size=8"))
"""Two phases an epoch of 3 steps, Adam, a best checkpoint."""
MB = 0.03


class StopError(Exception):
    """The machine is gone."""


@pytest.fixture(scope="module")
def one_thread_throughout() -> None:
    """Other numbers of threads sum to other last bits, and fixtures are made before a test sets that number."""
    torch.set_num_threads(1)


@contextmanager
def lost_in_step(monkeypatch: pytest.MonkeyPatch, step: int) -> Iterator[None]:
    """Training stops before its step of that number."""
    backward, calls = Loop.backward, []

    def counted(self: Loop, *given: object) -> object:
        calls.append(1)
        if len(calls) == step:
            raise StopError
        return backward(self, *given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(StopError):
        patch.setattr(Loop, "backward", counted)
        yield


@pytest.fixture(scope="module")
def whole(one_thread_throughout: None, birds: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run that was never interrupted."""
    return train(SUPCON, Place(birds, tmp_path_factory.mktemp("whole"), "cpu"))


@pytest.fixture(scope="module")
def half(one_thread_throughout: None, birds: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A results root whose run was lost in the second epoch; nobody writes to it."""
    place = Place(birds, tmp_path_factory.mktemp("half"), "cpu")
    with pytest.MonkeyPatch.context() as patch, lost_in_step(patch, 8):
        train(SUPCON, place)
    return place


@pytest.fixture(scope="module")
def packed(half: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That run, packed in small parts."""
    folder = tmp_path_factory.mktemp("packed") / "a" / "b"
    packs.pack("synthbirds-supcon", folder, half.results, part=MB)
    return folder


def files(root: Path) -> list[str]:
    """Every file beneath a folder."""
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


def steps(run: Run) -> list[float]:
    """What Adam counted."""
    state = load_checkpoint(run.path / "last.pt")["optimizer"]["state"]
    return [float(s["step"]) for s in state.values()]


def lines(run: Run) -> list[dict]:
    """The log without its times."""
    return [{k: v for k, v in line.items() if "second" not in k} for line in run.log()]


def test_it_ends_like_a_run_that_stayed(packed: Path, half: Place, whole: Run, tmp_path: Path) -> None:
    sizes = [p.stat().st_size for p in packed.iterdir()]
    assert max(sizes) <= MB * 1e6 and len([p for p in packed.iterdir() if "last.pt" in p.name]) > 1
    assert {p.name for p in packed.parent.iterdir()} == {"b"}, "nothing else stays"
    there = replace(half, results=tmp_path)
    unpacked = packs.unpack(packed, there.results)
    before = find_run("synthbirds-supcon", half.results)
    assert files(unpacked.path) == files(before.path) == ["best.pt", "last.pt", "log.jsonl", "run.json"]
    assert all((unpacked.path / f).read_bytes() == (before.path / f).read_bytes() for f in files(before.path))
    run = train(SUPCON, there)
    assert run.path == unpacked.path and run.finished and len(run.log()) == 2
    for name in ("last.pt", "best.pt"):
        assert (run.path / name).read_bytes() == (whole.path / name).read_bytes()
    assert lines(run) == lines(whole) and run.info.deviations == whole.info.deviations


def test_rounded_it_is_half_as_large_goes_on_and_says_so(half: Place, whole: Run, tmp_path: Path) -> None:
    there, folder = replace(half, results=tmp_path / "there"), tmp_path / "pack"
    exact = packs.pack("synthbirds-supcon", tmp_path / "exact", half.results)
    rounded = packs.pack("synthbirds-supcon", folder, half.results, bf16=True)
    size = {m.bf16: next(f.size for f in m.files if f.name == "last.pt") for m in (exact, rounded)}
    assert size[True] < 0.65 * size[False], "names and random states are not halved"
    run = packs.unpack(folder, there.results)
    before = find_run("synthbirds-supcon", half.results)
    assert packs.ROUNDED not in before.info.deviations, "the run itself stays exact"
    states = [load_checkpoint(r.path / "last.pt") for r in (before, run)]
    for name, weight in states[0]["model"].items():
        other = states[1]["model"][name]
        assert other.dtype == weight.dtype
        if weight.is_floating_point() and weight.ndim:
            assert torch.equal(other, weight.to(torch.bfloat16).float())
        else:
            assert torch.equal(other, weight)
    assert any(not torch.equal(w, states[1]["model"][n]) for n, w in states[0]["model"].items())
    moments = [next(iter(s["optimizer"]["state"].values()))["exp_avg_sq"] for s in states]
    assert moments[1].dtype == torch.float32 and torch.equal(moments[1], moments[0].to(torch.bfloat16).float())
    run = train(SUPCON, there)
    assert run.finished and lines(run)[0] == lines(whole)[0] and lines(run)[1] != lines(whole)[1]
    assert run.info.rounded_after == (1,)
    assert set(steps(run)) == set(steps(whole))
    records = works.evaluate_all(works.Works([run.name]), [EvalJob("top1")], there)
    (table,) = summary(records)
    assert any(packs.ROUNDED in said for said in [*table.notes, *table.footnotes])
    packs.pack(run.name, tmp_path / "again", there.results, bf16=True)
    again = packs.unpack(tmp_path / "again", tmp_path / "third")
    assert again.info.deviations.count(packs.ROUNDED) == 1 and again.info.rounded_after == (1, 2)


def test_what_begins_from_a_rounded_run_says_so_too(half: Place, tmp_path: Path) -> None:
    there = replace(half, results=tmp_path / "there")
    packs.pack("synthbirds-supcon", tmp_path / "pack", half.results, bf16=True)
    packs.unpack(tmp_path / "pack", there.results)
    above = train(replace(SUPCON, method="supcon-ori"), there)
    assert packs.ROUNDED in above.info.deviations and above.finished
    assert find_run("synthbirds-supcon-r", there.results).info.rounded_after == (1,)
    assert inherited(None) == inherited(tmp_path / "foreign.pt") == []


def test_adam_counts_beyond_what_bfloat16_holds(whole: Run, half: Place, tmp_path: Path) -> None:
    place = tmp_path / "results"
    shutil.copytree(whole.path, place / "runs" / whole.name)
    last = place / "runs" / whole.name / "last.pt"
    state = load_checkpoint(last)
    for entry in state["optimizer"]["state"].values():
        entry["step"].fill_(257.0)
    torch.save(state, last)
    packs.pack(whole.name, tmp_path / "pack", place, bf16=True)
    assert set(steps(packs.unpack(tmp_path / "pack", tmp_path / "there"))) == {257.0}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("missing", r"not as packed: last\.pt\.001 \(missing\); copy it again\. Nothing was unpacked"),
        ("flipped", r"last\.pt\.001 \(damaged: 30000 bytes, expected 30000 of another SHA-256\)"),
        ("short", r"last\.pt\.001 \(damaged: 29999 bytes, expected 30000 of"),
        ("no manifest", r"found no pack\.json"),
        ("half a manifest", r"pack\.json: damaged at the file"),
        ("foreign name", r"pack\.json: damaged at files\.0\.parts\.0\.name"),
        ("foreign run", r"pack\.json: damaged at run"),
        ("parts in another order", r"pack\.json: its parts do not make its files"),
        ("no checkpoint", r"pack\.json: expected run\.json and last\.pt, got run\.json; copy it again\. Nothing"),
        ("a file twice", r"pack\.json: expected each file once, got run\.json twice; copy it again\. Nothing"),
    ],
)
def test_what_is_damaged_is_named_and_nothing_is_unpacked(how: str, said: str, packed: Path, tmp_path: Path) -> None:
    spoilt(packed, tmp_path / "pack", how)
    with pytest.raises(CambenchError, match=said):
        packs.unpack(tmp_path / "pack", tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_pack_of_an_older_version_is_refused(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "RUN", schema.RUN + 1)
    with pytest.raises(
        CambenchError, match=r"run\.json: a packed run of schema 2: written by an older cambench; pack it with"
    ):
        packs.unpack(packed, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_hashes_of_weights_travel_with_them_and_not_with_rounded_ones(whole: Run, tmp_path: Path) -> None:
    for name, bf16 in (("exact", False), ("rounded", True)):
        packs.pack(whole.name, tmp_path / name, whole.path.parents[1], bf16=bf16)
        run = packs.unpack(tmp_path / name, tmp_path / "results" / name)
        assert bool(run.info.checkpoints) == (not bf16)
        known = {"last": weights_hash(load_checkpoint(run.path / "last.pt")["model"])}
        assert (run.info.checkpoints.items() >= known.items()) == (not bf16)


def test_a_run_that_is_as_far_stays_and_one_less_far_gives_way(
    packed: Path, half: Place, whole: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    packs.unpack(packed, first)
    stamp = (first / "runs" / whole.name / "last.pt").stat().st_mtime_ns
    packs.unpack(packed, first)
    assert "is here already, after epoch 1 of 2" in capsys.readouterr().err
    assert (first / "runs" / whole.name / "last.pt").stat().st_mtime_ns == stamp
    packs.pack(whole.name, tmp_path / "rounded", half.results, bf16=True)
    with pytest.raises(CambenchError, match="got one after epoch 1 with other weights; it stays as it is"):
        packs.unpack(tmp_path / "rounded", first)
    assert packs.ROUNDED not in find_run(whole.name, first).info.deviations
    packs.pack(whole.name, second, whole.path.parents[1])
    run = packs.unpack(second, first)
    assert "after epoch 1 of 2, gives way to the pack's" in capsys.readouterr().err
    assert run.finished and files(first) == [f"runs/{whole.name}/{f}" for f in files(whole.path)]
    with pytest.raises(CambenchError, match=r"is after epoch 1, got one after epoch 2; it stays as it is"):
        packs.unpack(packed, first)
    assert find_run(whole.name, first).finished


def test_records_and_rows_travel_with_it_and_those_that_are_there_stay(whole: Run, birds: Path, tmp_path: Path) -> None:
    here, there = (Place(birds, tmp_path / name, "cpu") for name in ("here", "there"))
    shutil.copytree(whole.path, here.results / "runs" / whole.name)
    (record,) = works.evaluate_all(works.Works([]), [EvalJob("top1")], here)
    packs.pack(whole.name, tmp_path / "bare", here.results, part=MB)
    packs.unpack(tmp_path / "bare", there.results)
    assert not (there.results / "records").exists()
    packs.pack(whole.name, tmp_path / "packed", here.results, part=MB, with_records=True)
    assert packs.unpack(tmp_path / "packed", there.results).name == whole.name, "the run is there, the records follow"
    assert files(there.results / "records") == files(here.results / "records")
    (found,) = records_of(there.results, whole.name)
    (other,), path = records_of(here.results, whole.name), found.path
    assert found == record and read_rows(rows_path(path)).ids == read_rows(rows_path(other.path)).ids
    path.write_text(path.read_text().replace('"seconds"', '"seconds" '))
    packs.unpack(tmp_path / "packed", there.results)
    assert '"seconds" ' in path.read_text()
    with pytest.raises(UsageError, match="--with-records: expected weights that are not rounded"):
        packs.pack(whole.name, tmp_path / "rounded", here.results, bf16=True, with_records=True)


def test_what_cannot_be_packed_is_one_clear_error(half: Place, whole: Run, tmp_path: Path) -> None:
    results, folder = whole.path.parents[1], tmp_path / "pack"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="expected a new or empty folder, found something there"):
        packs.pack(whole.name, tmp_path / "full", results)
    for part, said in (
        (0.0, "above 0"),
        (float("inf"), "above 0"),
        (0.001, r"expected at least 0\.\d+ MB, which the list of so many parts takes"),
    ):
        with pytest.raises(UsageError, match=said):
            packs.pack(whole.name, folder, results, part=part)
    with pytest.raises(UsageError, match="unknown run 'nobody'"):
        packs.pack("nobody", folder, results)
    Run(tmp_path / "runs" / "begun").save()
    with pytest.raises(UsageError, match="no epoch of it is finished yet"):
        packs.pack("begun", folder, tmp_path)
    Run(tmp_path / "runs" / "given", RunInfo(kind="given")).save()
    with pytest.raises(UsageError, match="got a given network"):
        packs.pack("given", folder, tmp_path)
    assert not folder.exists() and files(tmp_path / "full") == ["letter.txt"]


def test_a_full_disk_leaves_nothing(packed: Path, whole: Run, tmp_path: Path) -> None:
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, old[1]))
    try:
        with pytest.raises(CambenchError, match=r"cannot write .*pack: .*free some space"):
            packs.pack(whole.name, tmp_path / "pack", whole.path.parents[1])
        with pytest.raises(CambenchError, match=r"cannot write .*synthbirds-supcon.*free some space"):
            packs.unpack(packed, tmp_path / "results")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert files(tmp_path) == [] and not (tmp_path / "pack").exists()
