"""The search: that each draw is an ordinary run, which is best, and what is kept of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny import TINY
from typed import Typed

from cambench.metrics import find_metric
from cambench.recipes.ranges import RATE, draws
from cambench.stages.reproducing import search as stage
from cambench.stages.reproducing.search import Draw, SearchJob, chosen, in_words, listed, search
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.runs import read_run, read_runs
from cambench.vocabulary import CambenchError, NotFiniteError, UsageError

CAM = TrainJob("cam", "synthbirds", overrides=[*TINY, "train.epochs=1", "input.resize=36"])
FLIP = "input.flip"
JOB = SearchJob(CAM, "max-box-acc", draws=3, ranges=["optimizer.lr=1e-5..1 log", "input.flip=0..1"], split="test")
HIGH = ["optimizer.lr=1e30..1e31 log"]


def settings_of(job: SearchJob, place: Place) -> list[dict[str, float]]:
    """What is drawn."""
    return draws(stage.prepared(job, place).ranges, job.training.seed, job.draws)


def of(lr: float, *facts: object) -> Draw:
    """A draw of a learning rate."""
    return Draw({RATE: lr}, *facts)  # type: ignore[arg-type]


def test_each_draw_is_an_ordinary_run_that_is_used_again(
    birds: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cambench.stages.divergence.at_chance", lambda *_: None)  # one epoch learns nothing
    place = Place(birds, tmp_path, "cpu")
    every = settings_of(JOB, place)
    first = [f"{key}={value!r}" for key, value in every[0].items()]
    before = train(replace(CAM, overrides=[*CAM.overrides, *first]), place)
    drawn, best = search(JOB, place)
    assert drawn[0].run is not None and drawn[0].run.name == before.name
    assert [d.settings for d in drawn] == every and len(read_runs(tmp_path)) == 3
    assert all(set(settings) == {RATE, FLIP} for settings in every)
    assert best.value == max(d.value for d in drawn if d.value is not None)
    assert best.run is not None
    facts = read_run(best.run.path).info.search
    assert (facts["metric"], facts["split"], facts["explainer"]) == ("max-box-acc", "test", "score-map")
    assert facts["ranges"] == {FLIP: "0..1", RATE: "1e-5..1 log"}
    kept = [(d["settings"], d["value"], d["run"]) for d in facts["draws"]]
    assert kept == [(d.settings, d.value, d.run.name) for d in drawn if d.run]
    capsys.readouterr()
    assert search(JOB, place)[1].settings == best.settings
    assert capsys.readouterr().err.count("finished already") == 3, "nothing is trained twice"
    rows = listed(drawn, best)
    rates = sorted(settings[RATE] for settings in every)
    assert [float(row[RATE]) for row in rows] == pytest.approx(rates, rel=1e-5)
    assert best.typed == f"--set {FLIP}={best.settings[FLIP]!r} --set {RATE}={best.settings[RATE]!r}"
    assert [row["run"] for row in rows if row["best"]] == [best.run.name]


def test_a_rate_that_diverges_has_no_value_and_does_not_end_the_search(birds: Path, tmp_path: Path) -> None:
    place, job = Place(birds, tmp_path, "cpu"), replace(JOB, draws=1, ranges=HIGH)
    with pytest.raises(CambenchError, match="expected a value of at least one draw, got none of 1; lower the upper ends"):
        search(job, place)
    draw = stage.measured(CAM, {RATE: 1e30}, stage.prepared(job, place), place)
    assert (draw.settings, draw.run, draw.value) == ({RATE: 1e30}, None, None)
    assert "expected a finite loss, got nan" in draw.failed


def test_a_drawn_value_that_is_refused_is_refused_before_the_first_training(birds: Path, tmp_path: Path) -> None:
    place = Place(birds, tmp_path, "cpu")
    with pytest.raises(UsageError, match=r"input\.flip"):
        search(replace(JOB, draws=9, ranges=("input.flip=0..2",)), place)  # the sixth draw is the first above 1
    set_too = replace(CAM, overrides=[*CAM.overrides, "input.flip=0.5"])
    with pytest.raises(UsageError, match=r"--range input\.flip: expected a key that is drawn or set, got both"):
        search(replace(JOB, training=set_too), place)
    assert not read_runs(place.results)


def test_memory_goes_back_after_each_draw(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[str] = []
    monkeypatch.setattr("cambench.models.memory.trim_heap", lambda: trimmed.append("now"))

    def training(*_: object) -> None:
        trimmed.append("draw")
        raise NotFiniteError("it left the finite.")

    monkeypatch.setattr(stage, "train", training)
    with pytest.raises(CambenchError, match="expected a value of at least one draw, got none of 3"):
        search(JOB, place)
    assert trimmed == ["draw", "now"] * 3


def test_the_best_follows_the_metrics_direction_and_the_first_of_equals() -> None:
    drawn = [of(0.1, None, 2.0), of(0.2), of(0.3, None, 3.0), of(0.4, None, 3.0), of(0.5, None, 2.0)]
    assert chosen(drawn, find_metric("max-box-acc")) is drawn[2]
    assert chosen(drawn, find_metric("dauc")) is drawn[0]


@pytest.mark.parametrize("metric", ["max-box-acc", "dauc"])
def test_a_sound_draw_is_best_before_any_that_went_wrong(metric: str) -> None:
    words = {"max-box-acc": ["9.00", "2.00 best", "9.00", "0.10"], "dauc": ["9.0000", "2.0000 best", "9.0000", "0.1000"]}
    wrong = "Ended at chance: training accuracy 25 % where a constant answer gets 25 %"
    high, low, equal = of(0.1, None, 9.0, wrong), of(0.2, None, 0.1, wrong), of(0.3, None, 2.0, wrong)
    sound = of(0.4, None, 2.0)
    assert chosen([high, low, equal, sound], find_metric(metric)) is sound
    rows = listed([high, sound], sound)
    assert [(row["value"], row["best"]) for row in rows] == [(9.0, False), (2.0, True)] and rows[0]["note"] == wrong
    assert [in_words(row, find_metric(metric))["value"] for row in rows] == words[metric][:2]
    assert "best" not in in_words(rows[1], find_metric(metric))
    assert chosen([high, low], find_metric(metric)).failed, "where none is sound, the best of them"
    unsound = [in_words(row, find_metric(metric))["value"] for row in listed([high, low], high)]
    assert unsound == words[metric][2:], "none of which is sound"


@pytest.mark.parametrize("wrong", ["", "Ended at chance: an accuracy"])
def test_where_no_draw_is_sound_none_is_recommended(
    wrong: str, birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: Typed
) -> None:
    monkeypatch.setattr("cambench.stages.divergence.at_chance", lambda *_: wrong or None)
    by_key = {text.partition("=")[0]: text for text in CAM.overrides}
    settings = [part for text in by_key.values() for part in ("--set", text)]
    roots = ("--data-root", birds, "--results", tmp_path, "--device", "cpu")
    options = ("--draws", 1, "--range", "optimizer.lr=1e-3..2e-3 log", "--split", "test")
    said = typed("search", "cam", "-d", "synthbirds", "-m", "max-box-acc", *options, *settings, *roots)
    assert said.code == 0 and ("best" in said.out) == (not wrong)
    assert said.err.count("search: nothing to recommend: each of 1 draw diverged, ended at chance") == bool(wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ranges": ["optimizer.lr=0..1 log"]}, "--range: optimizer.lr: expected 0 < LOW < HIGH"),
        ({"metric": "max-box"}, "Did you mean max-box-acc"),
        ({"explainer": "calmm"}, "Did you mean calm"),
        ({"target": "logi"}, "Did you mean logit"),
        ({"split": "val"}, "synthbirds: expected split train or test or eval, got 'val'; name one by --split"),
        (
            {"training": replace(CAM, overrides=["optimizer.lr=0.1"]), "ranges": []},
            "expected a key to draw, got none of cam",
        ),
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
