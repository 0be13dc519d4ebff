"""`cambench ls runs`: what was changed, how far a run is, when it was last written to."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typed import Typed

from cambench.recipes.load import load
from cambench.report.tables.varied import told_apart, trainings_apart
from cambench.stages import listing
from cambench.stages.housekeeping.catalogue import runs
from cambench.store.records import Record
from cambench.store.runs import Run, read_runs


def save(root: Path, name: str, **facts: object) -> Run:
    """A run in a results root."""
    return Run(root / "runs" / name).save(method="ce", arch="resnet8", dataset="synthbirds", **facts)


def test_what_a_command_or_a_table_set_is_told_and_nothing_else(tmp_path: Path, typed: Typed) -> None:
    preset, overrides = {"data.shots": 5}, ["train.epochs=2", "optimizer.lr=0.5", "schedule.name=step"]
    changed = load("ce", "synthbirds", "resnet8", overrides, preset).model_dump(mode="json")
    plain = load("ce", "synthbirds", "resnet8").model_dump(mode="json")
    begun = save(tmp_path, "a", recipe=changed)
    begun.write_log([{"epoch": 1}])
    save(tmp_path, "b", recipe=plain, finished=True).write_log([{"epoch": n} for n in range(plain["train"]["epochs"])])
    save(tmp_path, "c", kind="given", input={"size": 48, "mean": [0.5, 0.5, 0.5]}, finished=True)
    for name in "abc":
        os.utime(tmp_path / "runs" / name / "run.json", (0, 1_700_000_000))
    first, second, third = runs(tmp_path)
    assert set(first["changed"].split(", ")) == {"epochs 2", "lr 0.5", "shots 5", "schedule step"}
    assert (first["epochs"], first["state"]) == ("1 of 2", "stopped after epoch 1")
    whole = str(plain["train"]["epochs"])
    assert (second["changed"], second["epochs"], second["state"]) == ("", f"{whole} of {whole}", "finished")
    assert (third["changed"], third["epochs"], third["state"]) == ("size 48, mean 0.5,0.5,0.5", "", "given")
    assert first["date"].startswith("2023-11-1") and len(first["date"]) == len("2023-11-14 22:13")
    out = typed("ls", "runs", "--results", tmp_path).out
    assert out.splitlines()[0].split() == ["name", "epochs", "date", "state"]
    assert json.loads(typed("ls", "runs", "--json", "--results", tmp_path).out) == [first, second, third]


FACTS: dict[str, dict[str, Any]] = {
    "a": {},
    "b": {"weights": "mine-1.pth"},
    "c": {"weights": "mine-2.pth"},
    "d": {"partial": ["synthetic images (synthbirds)", "2 of 4 classes: b, d"]},
    "e": {"partial": ["synthetic images (synthbirds)", "2 of 4 classes"]},
    "f": {"data": {"fingerprint": "40e3dbf2"}},
    "g": {"deviations": ["Training began with the network's own weights"]},
}
"""Runs of one name and the same settings, and what is theirs."""


def test_runs_of_one_name_are_told_apart_by_the_words_of_a_report(tmp_path: Path) -> None:
    recipe = load("ce", "synthbirds", "resnet8", ["train.epochs=2"]).model_dump(mode="json")
    common: dict[str, Any] = {"recipe": recipe, "partial": ["synthetic images (synthbirds)"], "data": {"fingerprint": "0"}}
    for name, facts in FACTS.items():
        for seed in range(2):
            save(tmp_path, f"{name}{seed}", seed=seed, **common | facts)
    changed = {row["name"]: row["changed"] for row in runs(tmp_path)}
    assert [changed[f"{name}0"] for name in FACTS] == [
        "epochs 2, trained on 0",
        "epochs 2, weights mine-1.pth",
        "epochs 2, weights mine-2.pth",
        "epochs 2, 2 of 4 classes: b, d",
        "epochs 2, 2 of 4 classes",
        "epochs 2, trained on 40e3dbf2",
        "epochs 2, trained on 0, Training began with the network's own weights",
    ]
    assert all(changed[f"{name}0"] == changed[f"{name}1"] for name in FACTS), "the seed is in the name"
    every = [run.info for run in read_runs(tmp_path) if run.info.seed == 0]
    facts = ("synthbirds", "test", "ce", "resnet8", 0, "top1", {})
    records = [
        Record("", *facts, partial=i.partial, deviations=i.deviations, job={"recipe": i.training})  # type: ignore[arg-type]
        for i in every
    ]
    assert trainings_apart(every) == told_apart(records), "one definition"


def test_what_was_changed_stands_beneath_the_name_at_80_columns(
    tmp_path: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "WIDTH", 80)
    name, recipe = "folder-photos-ce-resnet8-s0-149ff1c7", load("ce", "synthbirds", "resnet8", ["train.epochs=2"])
    save(tmp_path, name, recipe=recipe.model_dump(mode="json"), weights="r8-7.pth", partial=["2 of 4 classes: b, d"])
    _, first, second = typed("ls", "runs", "--results", tmp_path).out.splitlines()[:3]
    assert first.startswith(f"{name}  0 of 2  ") and len(first) <= 80
    assert second.startswith("  epochs 2, weights r8-7.pth, 2 of 4 ")


def test_a_state_says_what_went_wrong_in_a_base_without_its_name(tmp_path: Path) -> None:
    base = "Began with the weights of synthbirds-supcon-resnet8-s0-1: Ended at chance: 25 %"
    save(tmp_path, "a", warnings=[base, "Diverged in epoch 2: mean loss 9"], base_warnings=[base], finished=True)
    assert runs(tmp_path)[0]["state"] == "finished, base ended at chance, diverged in epoch 2"
