"""A metric that the data cannot answer does not keep the others, or other runs, from being measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from own import SMALL, measured
from typed import Typed

from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.records import records_of
from cambench.vocabulary import UsageError


def test_the_other_metrics_and_runs_are_measured_before_a_refusal_ends_the_command(own: Place, typed: Typed) -> None:
    names = [
        train(TrainJob("ce", f"folder:{own.data / 'mine'}", "resnet8", seed, overrides=SMALL), own).name for seed in (0, 1)
    ]
    common = ("--data-root", own.data, "--results", own.results, "--device", "cpu")
    alone = typed("eval", "-m", "ch", names[0], *common)
    assert (alone.code, alone.out) == (2, "") and alone.err.count("error: ch on folder:mine: ") == 1
    with pytest.raises(UsageError, match="ch on folder:mine"):
        measured(own, "ch", "top1")
    assert not list(own.results.glob("records/*/*")), "from Python the first refusal ends it"
    said = typed("eval", "-m", "ch", "-m", "px-ap", "-m", "top1", *common)
    errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert said.code == 2 and len(errors) == 2, "one line a refusal, not one a run"
    assert errors[0].startswith("error: ch on ") and errors[1].startswith("error: px-ap on ")
    assert "Top-1" in said.out or "top1" in said.out
    assert [[r.metric for r in records_of(own.results, name)] for name in names] == [["top1"], ["top1"]]
    again = typed("eval", "-m", "ch", "-m", "top1", "--json", *common)
    assert again.code == 2 and [r["metric"] for r in json.loads(again.out)] == ["top1", "top1"]


def test_a_training_of_what_does_not_go_together_leaves_nothing(place: Place, tmp_path: Path) -> None:
    there = Place(place.data, tmp_path, "cpu")
    with pytest.raises(UsageError, match="surgery acol-head does not apply to vgg19"):
        train(TrainJob("acol", "synthbirds", "vgg19"), there)
    assert not list(tmp_path.glob("runs/*/*"))
