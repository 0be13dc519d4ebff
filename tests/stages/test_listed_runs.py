"""`cambench ls runs`: what was changed, how far a run is, when it was last written to."""

from __future__ import annotations

import json
import os
from pathlib import Path

from typed import Typed

from cambench.recipes.load import load
from cambench.stages.housekeeping.catalogue import runs
from cambench.store.runs import Run


def save(root: Path, name: str, **facts: object) -> Run:
    """A run in a results root."""
    return Run(root / "runs" / name).save(method="ce", arch="resnet8", dataset="synthbirds", **facts)


def test_what_a_command_or_a_table_set_is_told_and_nothing_else(tmp_path: Path, typed: Typed) -> None:
    preset, overrides = {"data.shots": 5}, ["train.epochs=2", "optimizer.lr=0.5"]
    changed = load("ce", "synthbirds", "resnet8", overrides, preset).model_dump(mode="json")
    plain = load("ce", "synthbirds", "resnet8").model_dump(mode="json")
    begun = save(tmp_path, "a", recipe=changed)
    begun.write_log([{"epoch": 1}])
    save(tmp_path, "b", recipe=plain, finished=True).write_log([{"epoch": n} for n in range(plain["train"]["epochs"])])
    save(tmp_path, "c", kind="given", input={"size": 48, "mean": [0.5, 0.5, 0.5]}, finished=True)
    for name in "abc":
        os.utime(tmp_path / "runs" / name / "run.json", (0, 1_700_000_000))
    first, second, third = runs(tmp_path)
    assert set(first["changed"].split()) == {"train.epochs=2", "optimizer.lr=0.5", "data.shots=5"}
    assert (first["epochs"], first["state"]) == ("1 of 2", "stopped after epoch 1")
    whole = str(plain["train"]["epochs"])
    assert (second["changed"], second["epochs"], second["state"]) == ("", f"{whole} of {whole}", "finished")
    assert (third["changed"], third["epochs"], third["state"]) == ("size=48 mean=0.5,0.5,0.5", "", "given")
    assert first["date"].startswith("2023-11-1") and len(first["date"]) == len("2023-11-14 22:13")
    out = typed("ls", "runs", "--results", tmp_path).out
    assert out.splitlines()[0].split() == ["name", "changed", "epochs", "date", "state"]
    assert json.loads(typed("ls", "runs", "--json", "--results", tmp_path).out) == [first, second, third]
