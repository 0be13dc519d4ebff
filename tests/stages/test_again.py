"""--again makes everything anew; classes are matched by name; one root, and files that are broken or gone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from own import SMALL, measured, trained

from cambench.stages.measuring import works
from cambench.stages.measuring.explain import ExplainJob
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.heatmaps import read_heatmaps
from cambench.store.records import read_records, records_of
from cambench.store.runs import read_runs
from cambench.vocabulary import CambenchError, UsageError


def test_eval_again_and_explain_again_make_everything_anew(own: Place) -> None:
    trained(own)
    first = measured(own, "iauc", "top1")
    maps = sorted(own.results.rglob("heatmaps/*/*.h5"))
    stamps = [path.stat().st_mtime_ns for path in maps]
    assert measured(own, "iauc", "top1") == first
    assert [path.stat().st_mtime_ns for path in maps] == stamps
    kept = [r.path for r in records_of(own.results, first[0].run)]
    for path in kept:
        path.write_text(path.read_text().replace('"value": ', '"value": 1000'))
    (wrong, _) = measured(own, "iauc", "top1")
    assert wrong.values != first[0].values, "what is there is taken"
    again = measured(own, "iauc", "top1", again=True)
    assert [r.values for r in again] == [r.values for r in first]
    assert all(path.stat().st_mtime_ns > old for path, old in zip(maps, stamps, strict=True))
    assert [r.path for r in records_of(own.results, first[0].run)] == kept
    (made,) = works.explain_all(works.Works([]), [ExplainJob()], own)
    stamp = made.stat().st_mtime_ns
    assert works.explain_all(works.Works([]), [ExplainJob()], own) == [made] and made.stat().st_mtime_ns == stamp
    assert works.explain_all(works.Works([], again=True), [ExplainJob()], own) == [made] and made.stat().st_mtime_ns > stamp


def test_train_again_begins_at_the_first_epoch(own: Place) -> None:
    job = TrainJob("ce", f"folder:{own.data / 'mine'}", "resnet8", overrides=[*SMALL, "train.epochs=2"])
    run = train(job, own)
    weights, began = (run.path / "last.pt").read_bytes(), (run.path / "last.pt").stat().st_mtime_ns
    (run.path / "last.pt").write_bytes(b"broken")
    again = train(replace(job, again=True), own)
    assert (again.path, again.finished, len(again.log())) == (run.path, True, 2)
    assert (again.path / "last.pt").read_bytes() == weights and (again.path / "last.pt").stat().st_mtime_ns > began
    (run.path / "run.json").write_text("{")
    assert train(replace(job, again=True), own).finished


def test_classes_are_matched_by_name(own: Place) -> None:
    run = trained(own)
    (own_value,) = measured(own, "top1")
    for old, new in (("ant", "wasp"), ("bee", "ant")):
        for split in ("train", "val"):
            target = own.data / "other" / split / new
            shutil.copytree(own.data / "mine" / split / old, target)
    other = f"folder:{own.data / 'other'}"
    with pytest.raises(UsageError, match=r"only in the data set: wasp; only in the network: bee, cat; --map-classes"):
        measured(own, "top1", runs=(run,), dataset=other)
    (record,) = measured(own, "top1", runs=(run,), dataset=other, map_classes=True)
    assert record.values[""].n == 2 and "1 of its 2 classes, by name, among the network's 3" in record.partial
    (path,) = works.explain_all(works.Works([run], other, map_classes=True), [ExplainJob()], own)
    assert read_heatmaps(path).ids == ["val/ant/0.png", "val/ant/1.png"] and set(read_heatmaps(path).target) == {0}
    for split in ("train", "val"):
        (own.data / "mine" / split / "classes.txt").touch()
    (own.data / "mine" / "classes.csv").write_text("index,folder\n2,ant\n0,bee\n1,cat\n")
    (turned,) = measured(own, "top1", runs=(run,), dataset=f"folder:{own.data / 'mine'}")
    assert turned.values == own_value.values and not turned.partial


def test_a_run_by_path_writes_under_one_root(own: Place, tmp_path: Path) -> None:
    run = trained(own)
    there = replace(own, results=tmp_path / "second")
    (record,) = measured(there, "iauc", runs=(str(own.results / "runs" / run),))
    assert {p.name for p in there.results.iterdir()} == {"records", "heatmaps", "cache"}
    assert read_records(there.results) == [record] and not (own.results / "records").exists()


def test_a_missing_checkpoint_is_not_to_be_had_by_asking_for_it(own: Place) -> None:
    run = trained(own)
    (own.results / "runs" / run / "last.pt").unlink()
    with pytest.raises(CambenchError, match=r"expected last\.pt in .*put it back, or train the run anew") as caught:
        measured(own, "top1")
    assert "--checkpoint" not in str(caught.value)


def test_one_broken_run_does_not_stop_the_others(own: Place, caplog: pytest.LogCaptureFixture) -> None:
    run = trained(own)
    for name, text in (("broken", "{"), ("old", '{"kind": "trained", "job": {"schema": 1}}'), ("list", "[]")):
        (own.results / "runs" / name).mkdir()
        (own.results / "runs" / name / "run.json").write_text(text)
    (record,) = measured(own, "top1")
    assert record.run == run and [r.name for r in read_runs(own.results)] == [run]
    assert "broken/run.json: expected JSON" in caplog.text and "(and 2 more such files)" in caplog.text
    with pytest.raises(
        CambenchError, match=r"old/run\.json: a run of schema 1: written by an older cambench; train it again"
    ):
        measured(own, "top1", runs=("old",))
    with pytest.raises(CambenchError, match=r"list/run\.json: not a run of schema 2"):
        measured(own, "top1", runs=("list",))


def test_one_broken_record_does_not_stop_the_others(own: Place, caplog: pytest.LogCaptureFixture) -> None:
    trained(own)
    (record, *_) = measured(own, "top1", "iauc")
    (path,) = (r.path for r in records_of(own.results, record.run) if r == record)
    (path.parent / "old.json").write_text('{"schema": 1}')
    (path.parent / "part.json").write_text('{"schema": 2}')
    assert len(read_records(own.results)) == 2
    assert "old.json: a record of schema 1: written by an older cambench; measure it again" in caplog.text
