"""Files, keys, parts, records, checkpoints: complete or absent, and a clear error for what is damaged."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from store.test_heatmaps import column_of, heatmap_arrays

from cambench.files import atomic_folder, atomic_path, read_json, write_json
from cambench.store.checkpoints import load_checkpoint, restore_rng, rng_states, save_checkpoint
from cambench.store.heatmaps import read_heatmaps, write_heatmaps
from cambench.store.keys import job_key
from cambench.store.parts import Parts
from cambench.store.records import Record, Value, read_record, read_records, readable, write_record
from cambench.store.runs import Run, find_run
from cambench.vocabulary import CambenchError, UsageError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert read_json(path) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_nan_is_not_written_as_a_number(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"value": float("nan")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", [b"{", b"[" * 100_000, b"1" * 5000, b'"\xff"', b""], ids=lambda text: str(text[:4]))
def test_what_is_no_json_is_one_line(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(CambenchError, match=r"a\.json: expected JSON, got .*; the file was changed or truncated") as caught:
        read_json(tmp_path / "a.json")
    (tmp_path / "log.jsonl").write_bytes(b"{}\n[" + text + b"\n{}\n")
    with pytest.raises(CambenchError, match=r"log\.jsonl:2: expected one JSON object a line, got .*; delete that line"):
        Run(tmp_path).log()
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    write_json(kept, {"finished": True})
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        with pytest.raises(CambenchError, match=r"cannot write .*big\.pt.*free some space"):
            save_checkpoint(tmp_path / "big.pt", {"model": torch.zeros(10_000)})
        parts = Parts(tmp_path / "maps.h5", "k")
        with pytest.raises(CambenchError, match="free some space"):
            parts.write(range(100), {"values": np.zeros(10_000, dtype=np.float32)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert read_json(kept) == {"finished": True}
    assert not (tmp_path / "big.pt").exists()
    assert parts.rows == 0


def test_equal_jobs_have_equal_keys_and_others_do_not() -> None:
    assert job_key({"a": 1, "b": [1, 2]}) == job_key({"b": [1, 2], "a": 1})
    assert job_key({"a": 1}) != job_key({"a": 2})


def test_parts_go_on_where_they_stopped_and_forget_another_job(tmp_path: Path) -> None:
    target = tmp_path / "maps.h5"
    first = Parts(target, "job")
    first.write(range(2), {"x": np.array([0, 1])})
    first.write(range(4, 5), {"x": np.array([4])})
    again = Parts(target, "job")
    assert again.rows == 3 and again.missing(7) == [2, 3, 5, 6]
    with pytest.raises(CambenchError, match="expected a part from row 2 on, got none"):
        again.read()
    first.write(range(2, 4), {"x": np.array([2, 3])})
    again.add([range(2, 4)])
    assert again.read()["x"].tolist() == [0, 1, 2, 3, 4]
    assert Parts(target, "other job").rows == 0


def test_parts_of_two_writers_are_noticed(tmp_path: Path) -> None:
    """Rows that overlap, and a part that another process wrote meanwhile."""
    target = tmp_path / "maps.h5"
    first, second = Parts(target, "job"), Parts(target, "job")
    first.write(range(2), {"x": np.arange(2)})
    with pytest.raises(CambenchError, match=r"expected no part from row 0 on, got part-000000000-2.npz; delete that folder"):
        second.write(range(3), {"x": np.arange(3)})
    part = first.file_of(range(2))
    (part.parent / "part-000000001-2.npz").write_bytes(part.read_bytes())
    with pytest.raises(CambenchError, match=r"maps.h5.parts: expected a part from row 2 on, got part-000000001"):
        Parts(target, "job")
    assert Parts(target, "another").rows == 0, "another job's are forgotten"
    Parts(target, "job").write(range(2), {"x": np.arange(2)})
    (part.parent / "part-000000001-2.npz").write_bytes(part.read_bytes())
    assert Parts(target, "job", anew=True).rows == 0


def test_what_an_older_version_wrote_is_refused_by_name(tmp_path: Path) -> None:
    run = Run(tmp_path / "runs" / "old").save(finished=True)
    write_json(run.path / "run.json", {"kind": "trained", "job": {"schema": 1}, "finished": True})
    _, arrays = heatmap_arrays((7, 7))
    write_heatmaps(tmp_path / "maps.h5", {}, {}, column_of(arrays))
    with h5py.File(tmp_path / "maps.h5", "r+") as f:
        f.attrs["schema"] = 1
    write_json(tmp_path / "a.json", {"schema": 1})
    cases = (
        (
            lambda: find_run("old", tmp_path),
            r"old/run\.json: a run of schema 1: written by an older cambench; train it again",
        ),
        (lambda: read_heatmaps(tmp_path / "maps.h5"), r"maps\.h5: a heatmap file of schema 1: written by an older cambench"),
        (
            lambda: read_record(tmp_path / "a.json"),
            r"a\.json: a record of schema 1: .*; measure it again with `cambench eval`",
        ),
    )
    for read, said in cases:
        with pytest.raises(CambenchError, match=said) as caught:
            read()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [40, 0])
def test_a_damaged_part_is_named(size: int, tmp_path: Path) -> None:
    parts = Parts(tmp_path / "maps.h5", "job")
    parts.write(range(2), {"x": np.arange(2)})
    parts.add([range(2)])
    with pytest.raises(CambenchError, match=r"part-000000000-2\.npz: damaged \('y is not"):
        list(parts.column("y"))
    parts.files[0].write_bytes(parts.files[0].read_bytes()[:size])
    for read in (parts.read, lambda: list(parts.column("x"))):
        with pytest.raises(CambenchError, match=r"part-000000000-2\.npz: damaged"):
            read()


def test_records_come_back_as_written_and_others_are_refused(tmp_path: Path) -> None:
    value = Value(54.5, 10, 1.5, (51.0, 58.0))
    record = Record("run", "cub", "test", "cgc", "resnet50", 0, "ch", {"official": value}, partial=("20 of 200 classes",))
    path = tmp_path / "records" / "run" / "a.json"
    write_record(path, record)
    assert read_record(path) == record
    assert read_records(tmp_path) == [record]
    write_json(path, {"schema": 99})
    with pytest.raises(CambenchError, match="not a record of schema 2"):
        read_record(path)


def test_a_checkpoint_holds_every_generator(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"model": {"w": torch.ones(2)}, "rng": rng_states()})
    expected = (torch.rand(3), np.random.rand(3))  # noqa: NPY002
    restore_rng(load_checkpoint(path)["rng"])
    assert torch.equal(torch.rand(3), expected[0])
    assert np.array_equal(np.random.rand(3), expected[1])  # noqa: NPY002


def test_equal_checkpoints_are_equal_files(tmp_path: Path) -> None:
    for name in ("a.pt", "b.pt"):
        save_checkpoint(tmp_path / name, {"model": {"w": torch.arange(5)}})
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_a_truncated_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"model": {"w": torch.ones(1000)}})
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(CambenchError, match=r"last\.pt: expected a checkpoint"):
        load_checkpoint(path)


def test_a_log_of_an_older_version_is_read_in_percent(tmp_path: Path) -> None:
    run = Run(tmp_path / "runs" / "old").save()
    old = {
        "epoch": 1,
        "loss": 0.5,
        "accuracy": 0.25,
        "classifier_accuracy": 1.0,
        "decisions": 0.5,
        "validation_accuracy": 0.9,
    }
    run.write_log([old])
    new = {
        "epoch": 1,
        "loss": 0.5,
        "training_accuracy": 25.0,
        "training_classifier_accuracy": 100.0,
        "training_decisions": 50.0,
        "validation_accuracy": 0.9,
    }
    assert run.log() == [new]
    run.write_log(run.log())
    assert run.log() == [new]
    (run.path / "log.jsonl").write_text("[1]\n")
    with pytest.raises(CambenchError, match="expected one JSON object a line"):
        run.log()


def test_runs_are_found_by_name_prefix_and_path(tmp_path: Path) -> None:
    for name in ("cub-cgc-resnet50-s0-aaaa", "cub-ce-resnet50-s0-bbbb"):
        Run(tmp_path / "runs" / name).save(finished=True)
    assert find_run("cub-cgc", tmp_path).name == "cub-cgc-resnet50-s0-aaaa"
    assert find_run(str(tmp_path / "runs" / "cub-ce-resnet50-s0-bbbb"), tmp_path).name == "cub-ce-resnet50-s0-bbbb"
    with pytest.raises(UsageError, match="ambiguous"):
        find_run("cub", tmp_path)
    with pytest.raises(UsageError, match="Did you mean cub-cgc-resnet50-s0-aaaa"):
        find_run("cubcgc-resnet50-s0-aaa", tmp_path)


def test_a_run_is_called_by_its_method_before_longer_ones(tmp_path: Path) -> None:
    seeds = {name: f"synthbirds-{name}-abcd" for name in ("cgc-resnet8-s1", "cgc-resnet8-s10", "cgc-semi-resnet8-s0")}
    for (begin, folder), method in zip(seeds.items(), ("cgc", "cgc", "cgc-semi"), strict=True):
        Run(tmp_path / "runs" / folder).save(method=method)
        assert find_run(f"synthbirds-{begin}", tmp_path).name == folder
    with pytest.raises(UsageError, match="begins synthbirds-cgc-resnet8-s1-abcd, synthbirds-cgc-resnet8-s10-abcd. Give"):
        find_run("synthbirds-cgc", tmp_path)
    with pytest.raises(UsageError, match="s10-abcd, synthbirds-cgc-semi"):
        find_run("synthbirds-c", tmp_path)
    shutil.rmtree(tmp_path / "runs" / seeds["cgc-resnet8-s10"])
    assert find_run("synthbirds-cgc", tmp_path).name == seeds["cgc-resnet8-s1"]


def test_random_states_of_more_devices_than_there_are_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", given.extend)
    restore_rng({**rng_states_without_devices(monkeypatch), "cuda": ["first", "second"]})
    assert given == ["first"]


def rng_states_without_devices(monkeypatch: pytest.MonkeyPatch) -> dict:
    """The states of the generators on the CPU."""
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        return rng_states()


def test_a_folder_appears_whole_or_not_at_all_and_takes_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with pytest.raises(ZeroDivisionError), atomic_folder(path) as temporary:
        (temporary / "a").write_text("half")
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    for name in ("a", "b"):
        with atomic_folder(path) as temporary:
            (temporary / name).write_text(name)
        assert list(tmp_path.iterdir()) == [path] and [p.name for p in path.iterdir()] == [name]


def test_a_folder_whose_place_cannot_be_taken_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folder"
    with atomic_folder(path) as temporary:
        (temporary / "a").write_text("old")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise PermissionError(13, "no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(CambenchError, match="cannot write"), atomic_folder(path) as temporary:
        (temporary / "a").write_text("new")
    assert (path / "a").read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_record_that_another_process_removes_is_said_and_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert readable([tmp_path / "gone.json"]) == [] and "gone.json: expected a file, got none" in caplog.text


def test_a_part_is_written_with_any_numpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before numpy 2.2 `savez` takes every keyword for an array's name, `allow_pickle` too."""
    names: list[str] = []
    monkeypatch.setattr(np, "savez", lambda file, **arrays: names.extend(arrays))
    Parts(tmp_path / "maps.h5", "key").write(range(2), {"maps": np.zeros((2, 3))})
    assert names == ["maps"]


def test_a_value_of_one_image_is_stored_and_read_without_a_spread(tmp_path: Path) -> None:
    facts = {"dataset": "d", "split": "test", "method": "ce", "arch": "resnet8", "seed": 0, "metric": "top1"}
    record = Record(run="r", values={"": Value(100.0, 1, None, None)}, **facts)
    write_record(tmp_path / "r.json", record)
    stored = json.loads((tmp_path / "r.json").read_text())["values"][""]
    assert stored == {"value": 100.0, "n": 1, "standard_error": None, "interval": None}
    assert read_record(tmp_path / "r.json") == record
