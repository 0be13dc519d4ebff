"""The search for a learning rate: which are drawn, that each is an ordinary run, which is best."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import TINY
from typed import Typed

from cambench.metrics import find_metric
from cambench.stages.reproducing import search as stage
from cambench.stages.reproducing.search import Draw, SearchJob, chosen, listed, rates, search
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.runs import read_run, read_runs
from cambench.vocabulary import CambenchError, UsageError

CAM = TrainJob("cam", "synthbirds", overrides=[*TINY, "train.epochs=1", "input.resize=36"])
JOB = SearchJob(CAM, "max-box-acc", draws=3, split="test")


def test_rates_are_log_uniform_and_the_first_of_many_are_those_of_few() -> None:
    many = rates(replace(JOB, draws=2000))
    assert many[:3] == rates(JOB) and len(set(many)) > 1990
    logs = sorted(math.log10(rate) for rate in many)
    assert -5 <= logs[0] < -4.95 and -0.05 < logs[-1] <= 0
    assert [logs[i] for i in (500, 1000, 1500)] == pytest.approx([-3.75, -2.5, -1.25], abs=0.2)
    assert all(float(f"{rate:g}") == rate for rate in many), "as it is printed"
    assert rates(replace(JOB, training=replace(CAM, seed=1))) != rates(JOB)
    assert all(3.2e-4 <= rate <= 0.2 for rate in rates(replace(JOB, draws=50, low=3.2e-4, high=0.2)))


def test_each_draw_is_an_ordinary_run_that_is_used_again(
    birds: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cambench.stages.divergence.at_chance", lambda *_: None)  # one epoch learns nothing
    place = Place(birds, tmp_path, "cpu")
    first = rates(JOB)[0]
    before = train(replace(CAM, overrides=[*CAM.overrides, f"optimizer.lr={first!r}"]), place)
    drawn, best = search(JOB, place)
    assert drawn[0].run is not None and drawn[0].run.name == before.name
    assert [d.lr for d in drawn] == rates(JOB) and len(read_runs(tmp_path)) == 3
    assert best.value == max(d.value for d in drawn if d.value is not None)
    assert best.run is not None
    facts = read_run(best.run.path).info.search
    assert (facts["metric"], facts["split"], facts["explainer"]) == ("max-box-acc", "test", "score-map")
    assert [(d["lr"], d["value"], d["run"]) for d in facts["draws"]] == [(d.lr, d.value, d.run.name) for d in drawn if d.run]
    capsys.readouterr()
    assert search(JOB, place)[1].lr == best.lr
    assert capsys.readouterr().err.count("finished already") == 3, "nothing is trained twice"
    rows = listed(drawn, best)
    assert [float(row["learning rate"]) for row in rows] == sorted(rates(JOB))
    assert [row["run"] for row in rows if row["value"].endswith("best")] == [best.run.name]


def test_a_rate_that_diverges_has_no_value_and_does_not_end_the_search(birds: Path, tmp_path: Path) -> None:
    place, job = Place(birds, tmp_path, "cpu"), replace(JOB, draws=1, low=1e30, high=1e31)
    with pytest.raises(CambenchError, match="expected a value of at least one draw, got none of 1; lower --high"):
        search(job, place)
    draw = stage.measured(
        replace(CAM, overrides=[*CAM.overrides, "optimizer.lr=1e30"]), 1e30, stage.prepared(job, place), place
    )
    assert (draw.lr, draw.run, draw.value) == (1e30, None, None) and "expected a finite loss, got nan" in draw.failed


def test_the_best_follows_the_metrics_direction_and_the_first_of_equals() -> None:
    drawn = [Draw(0.1, None, 2.0), Draw(0.2), Draw(0.3, None, 3.0), Draw(0.4, None, 3.0), Draw(0.5, None, 2.0)]
    assert chosen(drawn, find_metric("max-box-acc")).lr == 0.3
    assert chosen(drawn, find_metric("dauc")).lr == 0.1


@pytest.mark.parametrize("metric", ["max-box-acc", "dauc"])
def test_a_sound_draw_is_best_before_any_that_went_wrong(metric: str) -> None:
    wrong = "Ended at chance: training accuracy 25 % where a constant answer gets 25 %"
    high, low, equal = Draw(0.1, None, 9.0, wrong), Draw(0.2, None, 0.1, wrong), Draw(0.3, None, 2.0, wrong)
    sound = Draw(0.4, None, 2.0)
    assert chosen([high, low, equal, sound], find_metric(metric)) is sound
    rows = listed([high, sound], sound)
    assert [row["value"] for row in rows] == ["9.00", "2.00 best"] and rows[0]["note"] == wrong
    assert chosen([high, low], find_metric(metric)).failed, "where none is sound, the best of them"
    assert [row["value"] for row in listed([high, low], high)] == ["9.00", "0.10"]


@pytest.mark.parametrize("wrong", ["", "Ended at chance: an accuracy"])
def test_where_no_draw_is_sound_none_is_recommended(
    wrong: str, birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: Typed
) -> None:
    monkeypatch.setattr("cambench.stages.divergence.at_chance", lambda *_: wrong or None)
    by_key = {text.partition("=")[0]: text for text in CAM.overrides}
    settings = [part for text in by_key.values() for part in ("--set", text)]
    roots = ("--data-root", birds, "--results", tmp_path, "--device", "cpu")
    options = ("--draws", 1, "--low", "1e-3", "--high", "2e-3", "--split", "test")
    said = typed("search", "cam", "-d", "synthbirds", "-m", "max-box-acc", *options, *settings, *roots)
    assert said.code == 0 and ("best" in said.out) == (not wrong)
    assert said.err.count("search: no rate to recommend: each of 1 draw diverged, ended at chance") == bool(wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"low": 0.0}, "expected 0 < low < high"),
        ({"low": 1.0, "high": 0.1}, "expected 0 < low < high, got 1 and 0.1"),
        ({"metric": "max-box"}, "Did you mean max-box-acc"),
        ({"explainer": "calmm"}, "Did you mean calm"),
        ({"target": "logi"}, "Did you mean logit"),
        ({"split": "val"}, "split"),
        ({"training": replace(CAM, overrides=["optimizer.lr=0.1"])}, "it draws optimizer.lr itself"),
        ({"training": replace(CAM, method="camm")}, "Did you mean cam"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_before_anything_is_trained(change: dict, message: str, birds: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        search(replace(JOB, **change), Place(birds, tmp_path, "cpu"))
    assert not read_runs(tmp_path)


def test_calm_is_asked_for_its_own_map(birds: Path, tmp_path: Path) -> None:
    job = replace(JOB, training=replace(CAM, method="calm-em"))
    assert stage.prepared(job, Place(birds, tmp_path)).measuring.explainer == "calm"
