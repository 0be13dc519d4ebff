"""A training that goes wrong says so in its epoch, keeps it, and no record or table shows the run without it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import TINY

from cambench import data
from cambench.metrics import find_metric
from cambench.recipes import load as recipes
from cambench.report.tables import paired
from cambench.report.tables.summary import summary
from cambench.stages import divergence
from cambench.stages.divergence import TIMES, at_chance, constant, diverged, is_loss
from cambench.stages.housekeeping.catalogue import runs as listed_runs
from cambench.stages.measuring.evaluate import evaluate
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.network import load_network
from cambench.stages.reporting.paired import compare
from cambench.stages.reporting.report import render
from cambench.stages.training import loop
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.records import read_records
from cambench.store.runs import read_run
from cambench.vocabulary import CambenchError, Dataset, NotFiniteError, Sample, UsageError

START = {"loss": 2.5, "classifier_loss": 2.2}


def job(*overrides: str, seed: int = 0, method: str = "ce") -> TrainJob:
    """A tiny training."""
    return TrainJob(method, "synthbirds", seed=seed, overrides=[*TINY, *overrides])


def images(labels: list[int], classes: int, *, several: bool = False) -> Dataset:
    """A data set that has labels alone; where they are several, each image's label and class 0."""
    samples = [Sample(str(i), Path(), y, labels=tuple({0, y}) if several else ()) for i, y in enumerate(labels)]
    names = tuple(str(c) for c in range(classes))
    return Dataset("toy", "train", Path(), names, tuple(samples), multilabel=several)


@pytest.mark.parametrize(
    ("epoch", "classes", "found"),
    [
        ({"loss": 142_000.0}, 10, "mean loss 1.42e+05, more than 10 times that of a guess (2.5)"),
        ({"loss": 25.0, "classifier_loss": 3.0}, 10, None),
        ({"loss": 25.1, "classifier_loss": 3.0}, 10, "mean loss 25.1"),
        ({"loss": 2.0, "classifier_loss": 23.1}, 10, "mean classifier loss 23.1, more than 10 times that of a guess (2.3)"),
        ({"loss": 2.0, "classifier_loss": 23.0}, 10, None),
        ({"loss": 26.0}, 1000, None),
        (
            {"loss": 2.0, "validation_loss": 3.8e27},
            10,
            "mean validation loss 3.8e+27, more than 10 times that of a guess (2.5)",
        ),
        ({"loss": 2.0, "validation_loss": 25.0}, 10, None),
        ({"validation_loss": 69.0}, 1000, None),
    ],
)
def test_a_loss_ten_times_that_of_a_guess_has_diverged(epoch: dict[str, float], classes: int, found: str | None) -> None:
    said = diverged({"epoch": 7, **epoch}, START, classes)
    assert said is None if found is None else said is not None and said.startswith("Diverged in epoch 7") and found in said


def test_a_fine_tuned_network_that_begins_right_is_judged_by_a_guess_not_by_its_first_loss() -> None:
    assert diverged({"epoch": 1, "loss": TIMES * 0.01 * 2}, {"loss": 0.01}, 10) is None
    assert diverged({"epoch": 1, "loss": TIMES * math.log(10) + 0.1}, {"loss": 0.01}, 10) is not None
    assert is_loss("loss") and is_loss("classifier_loss") and not is_loss("validation_loss") and not is_loss("lr")


def test_chance_is_what_the_best_constant_answer_gets() -> None:
    assert constant(images([0, 0, 0, 1], 2)) == (0.75, 4)
    assert constant(images([1, 1, 2, 3], 4, several=True)) == ((4 + 2 + 3 + 3) / 16, 16)
    assert constant(images([0, 0], 1)) == (1.0, 2)


@pytest.mark.parametrize(
    ("last", "found"),
    [
        ({"training_accuracy": 15.0}, "training accuracy 15 % where a constant answer gets 10 %, up to 15.2 % by accident"),
        ({"training_accuracy": 16.0}, None),
        ({"training_classifier_accuracy": 10.0}, "training classifier accuracy 10 %"),
        (
            {"training_accuracy": 90.0, "validation_accuracy": 10.0},
            "validation accuracy 10 % where a constant answer gets 10 %",
        ),
        ({"training_pixel_accuracy": 10.0, "loss": 1.0, "lr": 0.05}, None),
    ],
)
def test_an_accuracy_within_three_standard_errors_of_chance_has_learnt_nothing(last: dict, found: str | None) -> None:
    even = images([i % 10 for i in range(300)], 10)  # 10 % + 3·√(0.1·0.9/300) = 15.2 %
    said = at_chance(last, even, even)
    assert said is None if found is None else said is not None and said.startswith("Ended at chance: ") and found in said


def test_decisions_of_several_labels_are_judged_by_no_and_yes() -> None:
    several = images([i % 4 for i in range(40)], 4, several=True)
    p, n = constant(several)
    assert (p, n) == pytest.approx(((40 + 3 * 30) / 160, 160))
    margin = 3 * math.sqrt(p * (1 - p) / n)
    assert at_chance({"training_decisions": 100 * (p + margin) - 1}, several, None) is not None
    assert at_chance({"training_decisions": 100 * (p + margin) + 1}, several, None) is None


def test_a_run_that_diverges_says_so_in_its_epoch_and_under_every_number(
    birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """The loss of the second epoch is made what a divergence makes it; the seed beside it is as it is."""
    place, measure = Place(birds, tmp_path, "cpu"), EvalJob("top1")
    monkeypatch.setattr(divergence, "ERRORS", -100.0)  # two tiny epochs may end at chance, which is not this test's
    healthy = train(job(seed=1), place)
    differentiate, calls = loop.differentiate, [0]

    def worse(terms, share):
        calls[0] += 1
        values = differentiate(terms, share)
        return values | {"loss": values["loss"] + (142_000 if calls[0] > 3 else 0)}

    monkeypatch.setattr(loop, "differentiate", worse)
    run = train(job("train.epochs=3"), place)
    told = capsys.readouterr().err
    (sentence,) = run.info.warnings
    assert sentence.startswith("Diverged in epoch 2: mean loss 1.42e+05, more than 10 times")
    assert told.count(sentence) == 1 and "epoch 3/3" in told.partition(sentence)[2], "at once, and once"
    assert read_run(run.path).info.warnings == (sentence,) and not healthy.info.warnings
    monkeypatch.undo()
    (row,) = [row for row in listed_runs(tmp_path) if row["name"] == run.name]
    assert row["state"] == "finished, diverged in epoch 2"

    dataset = data.load("synthbirds", "eval", birds)
    for trained in (train(job("train.epochs=3", seed=1), place), run):
        evaluate(measure, load_network(trained, place), dataset, place)
    (table,) = summary(read_records(tmp_path))
    assert table.rows[0].cells[0].measured is not None and table.rows[0].cells[0].measured.seeds == (0, 1), "averaged"
    assert any(f"Seed 0: {sentence}" in note for note in (*table.notes, *table.footnotes))
    for form in ("csv", "markdown", "json", "latex"):
        assert f"ce resnet8, seed 0: {sentence.partition(':')[0]}" in render([table], form)


def test_a_comparison_of_two_runs_says_which_went_wrong(birds: Path, tmp_path: Path) -> None:
    place, dataset = Place(birds, tmp_path, "cpu"), data.load("synthbirds", "eval", birds)
    runs = [train(job("train.epochs=1", seed=seed), place) for seed in (0, 1)]
    runs = [runs[0].save(warnings=[]), runs[1].save(warnings=["Diverged in epoch 1: mean loss 1e+05"])]
    for run in runs:
        evaluate(EvalJob("top1"), load_network(run, place), dataset, place)
    _, found = compare([run.name for run in runs], ["top1"], [], [], tmp_path)
    assert "B: Diverged in epoch 1: mean loss 1e+05." in paired.notes(found)
    assert paired.tidy(found, "A", "B")[0]["warnings"] == "B: Diverged in epoch 1: mean loss 1e+05"


def test_what_was_left_unsaid_by_a_call_that_was_killed_is_said_by_the_next(
    birds: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    place = Place(birds, tmp_path, "cpu")
    run = train(job(), place)
    log = run.log()
    log[0]["loss"] = 1e5
    run.write_log(log)
    run.save(finished=False, warnings=[])
    capsys.readouterr()
    again = train(job(), place)
    assert again.info.warnings[0].startswith("Diverged in epoch 1") and "Diverged in epoch 1" in capsys.readouterr().err


def test_what_begins_with_a_run_that_went_wrong_says_so(birds: Path, tmp_path: Path) -> None:
    place = Place(birds, tmp_path, "cpu")
    base = train(job(), place).save(warnings=["Diverged in epoch 1: mean loss 1e+05"])
    run = train(replace(job("train.epochs=1"), weights=base.path / "last.pt"), place)
    assert run.info.warnings[0] == f"Began with the weights of {base.name}: Diverged in epoch 1: mean loss 1e+05"


def test_a_training_that_learnt_nothing_says_so(birds: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = train(job("optimizer.lr=1e-12", "train.epochs=1"), Place(birds, tmp_path, "cpu"))
    assert any(said.startswith("Ended at chance: training accuracy") for said in run.info.warnings)
    assert "warning: Ended at chance" in capsys.readouterr().err


def test_a_validation_loss_that_is_not_finite_stops_the_run_at_its_last_good_epoch(
    birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(birds, tmp_path, "cpu")
    validate, calls = loop.Loop.validate, [0]

    def second_is_nan(self, held_out, source):
        calls[0] += 1
        return validate(self, held_out, source) | ({"validation_loss": math.nan} if calls[0] == 2 else {})

    monkeypatch.setattr(loop.Loop, "validate", second_is_nan)
    with pytest.raises(NotFiniteError, match="got validation_loss nan after epoch 2; the checkpoint of epoch 1 is kept"):
        train(job("train.validate_epochs=true"), place)
    (folder,) = (tmp_path / "runs").iterdir()
    assert [epoch["epoch"] for epoch in read_run(folder).log()] == [1]
    assert read_run(folder).info.warnings[-1].startswith("Stopped where it was not finite: ")
    monkeypatch.undo()
    run = train(job("train.validate_epochs=true"), place)
    assert run.finished, "it goes on from there"
    assert divergence.stopped(run) is None


def test_a_run_stopped_by_its_first_loss_says_that_nothing_is_kept_and_why_it_cannot_be_explained(
    birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, differentiate = Place(birds, tmp_path, "cpu"), loop.differentiate
    monkeypatch.setattr(
        loop, "differentiate", lambda terms, share: differentiate(terms, share) | {"loss": torch.tensor(math.nan)}
    )
    with pytest.raises(NotFiniteError, match="expected a finite loss, got nan in epoch 1, step 0; no checkpoint is kept"):
        train(job(), place)
    (folder,) = (tmp_path / "runs").iterdir()
    assert not list(folder.glob("*.pt"))
    with pytest.raises(CambenchError) as told:
        load_network(read_run(folder), place)
    assert "got one that stopped where it was not finite: expected a finite loss, got nan in epoch 1" in str(told.value)
    assert "optimizer.lr" in str(told.value) and "again" not in str(told.value)
    (row,) = listed_runs(tmp_path)
    assert row["state"].endswith(", stopped where it was not finite")


def test_weights_that_are_not_finite_reach_no_checkpoint(
    birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step of an epoch may break the weights though every loss of it was finite."""
    check = loop.Loop.check_state

    def broken(self, epoch, values):
        with torch.no_grad():
            self.network.model.fc.weight[0, 0] = math.inf
        check(self, epoch, values)

    monkeypatch.setattr(loop.Loop, "check_state", broken)
    with pytest.raises(NotFiniteError, match=r"got fc\.weight with NaN or infinity after epoch 1"):
        train(job(), Place(birds, tmp_path, "cpu"))
    (folder,) = (tmp_path / "runs").iterdir()
    assert not (folder / "last.pt").exists() and not read_run(folder).finished


@pytest.mark.parametrize("setting", ["train.batch_size=23", "train.accumulate=8"])
def test_batch_norm_given_one_value_a_channel_is_one_line_with_the_mend(setting: str, birds: Path, tmp_path: Path) -> None:
    """24 images: a last batch of 1, or 8 passes of 1; resnet18 makes a 1×1 map of 32 px."""
    wanted = TrainJob("ce", "synthbirds", "resnet18", overrides=[*TINY, setting])
    with pytest.raises(UsageError) as told:
        train(wanted, Place(birds, tmp_path, "cpu"))
    for part in ("batch norm expected more than 1 value a channel, got 1", "pass over 1 image of 32 px", "--set"):
        assert part in str(told.value)
    assert "\n" not in str(told.value)


def test_a_gradient_is_clipped_only_where_the_recipe_says_so_and_none_goes_without_saying(
    birds: Path, tmp_path: Path
) -> None:
    place, plain = Place(birds, tmp_path, "cpu"), ["optimizer.name=sgd", "optimizer.momentum=0.0", "optimizer.lr=1.0"]
    begin = train(job(*plain, "optimizer.lr=1e-12", "train.epochs=1"), place)
    still = torch.load(begin.path / "last.pt", weights_only=True)["model"]
    moved = {}
    for clip in (0.0, 1e-3):
        run = train(job(*plain, f"optimizer.clip={clip}", "optimizer.weight_decay=0.0", "train.epochs=1"), place)
        state = torch.load(run.path / "last.pt", weights_only=True)["model"]
        moved[clip] = math.sqrt(sum(float((state[k] - still[k]).pow(2).sum()) for k in still if k.endswith("weight")))
        assert ("clip" in run.info.job["recipe"]["optimizer"]) == (clip > 0)
    assert moved[1e-3] <= 3 * 1e-3 * 1.01 < moved[0.0], "three steps of length 1e-3 at most"
    assert "clip" not in json.dumps(recipes.load("ce", "imagenet").model_dump(mode="json")["optimizer"])


def test_a_draw_that_diverges_is_marked_and_the_search_goes_on(
    birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cambench.recipes.ranges import RATE, draws
    from cambench.stages.reproducing import search as stage

    cam = TrainJob("cam", "synthbirds", overrides=[*TINY, "train.epochs=1", "input.resize=36", "train.validate_epochs=true"])
    wanted = stage.SearchJob(cam, "max-box-acc", draws=3, split="test")
    bad = draws(stage.prepared(wanted, Place(birds, tmp_path, "cpu")).ranges, 0, 3)[1][RATE]
    validate = loop.Loop.validate

    def nan_at_the_second(self, held_out, source):
        nan = {"validation_loss": math.nan} if self.recipe.optimizer.lr == bad else {}
        return validate(self, held_out, source) | nan

    monkeypatch.setattr(loop.Loop, "validate", nan_at_the_second)
    monkeypatch.setattr(divergence, "TIMES", 0.0)  # the others count as diverged, though finite
    drawn, best = stage.search(wanted, Place(birds, tmp_path, "cpu"))
    assert [draw.value is None for draw in drawn] == [False, True, False] and "validation_loss nan" in drawn[1].failed
    rows = {row[RATE]: row for row in stage.listed(drawn, best)}
    assert rows[bad]["value"] is None and not rows[bad]["run"]
    assert stage.in_words(rows[bad], find_metric("top1"))["value"] == "failed: not finite"
    assert all("Diverged in epoch 1: " in row["note"] for rate, row in rows.items() if rate != bad)
    assert best.run is not None and "nan" in read_run(best.run.path).info.search["draws"][1]["failed"]
