"""Training: it learns, it resumes bit-equally, it is the same job only when everything is the same, it fails clearly."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from data.cifar_miniature import cifar100
from forked import killed, train_until
from tiny import TINY

from cambench.data.views import View
from cambench.objectives import AUGMENTED, PLAIN
from cambench.recipes import load as recipes
from cambench.stages.training.train import TrainJob, train, view
from cambench.stages.workplace import Place
from cambench.store.checkpoints import load_checkpoint
from cambench.vocabulary import CambenchError, UsageError


def job(method: str = "ce", *overrides: str, **options: object) -> TrainJob:
    """A tiny training job."""
    return TrainJob(method, "synthbirds", overrides=[*TINY, *overrides], **options)  # type: ignore[arg-type]


GROUPS = "optimizer.groups={head={lr=0.5}, layer3={lr=0.01}}"
COLOURS = ["input.augment=supcon"]
SEMI = ["data.labelled=0.5", "train.batch_size=5", GROUPS, "schedule.name=multistep", "schedule.milestones=[1]"]

EXCONB = ["objective_settings.start=150"]
"""Two phases of 3 steps: the masked images begin with the second epoch, whose phases the 8th and 11th step are in."""


@pytest.mark.parametrize(
    ("method", "step", "overrides"),
    [
        ("ce", 5, []),
        ("cgc", 2, []),
        ("cgc", 5, ["data.shots=5"]),
        ("cgc", 5, COLOURS),
        ("adl", 5, []),
        ("acol", 5, []),
        ("spg", 5, []),
        ("has", 5, []),
        ("cutmix", 5, []),
        ("cgc-semi", 5, SEMI),
        ("cgc-semi", 2, SEMI),
        ("exconb", 3, EXCONB),
        ("exconb", 8, EXCONB),
        ("exconb", 11, EXCONB),
    ],
)
def test_a_killed_run_ends_like_an_uninterrupted_one(
    method: str, step: int, overrides: list[str], place: Place, tmp_path: Path
) -> None:
    """3 steps an epoch and phase: the 5th is in the middle of the second epoch, the 2nd before any checkpoint."""
    killed(train_until, step, job(method, *overrides), Place(place.data, tmp_path, "cpu"))
    (folder,) = (p for p in (tmp_path / "runs").iterdir() if p.is_dir())  # beside it its lock, which holds nobody
    assert (folder / "last.pt").exists() == (step > 3 * (1 + (method == "exconb")))
    run = train(job(method, *overrides), Place(place.data, tmp_path, "cpu"))
    whole = place.results / "runs" / train(job(method, *overrides), place).name
    assert run.finished
    assert (run.path / "last.pt").read_bytes() == (whole / "last.pt").read_bytes()
    without_times = [{k: v for k, v in e.items() if "second" not in k} for e in run.log()]
    assert [e["epoch"] for e in without_times] == [1, 2]


@pytest.mark.parametrize("setting", ["train.precision=bf16", "optimizer.name=sgd", "train.accumulate=2"])
def test_every_way_to_train_goes_through(setting: str, place: Place, tmp_path: Path) -> None:
    run = train(job("cgc", setting, "train.epochs=1"), Place(place.data, tmp_path, "cpu"))
    assert 0 < run.log()[0]["loss"] < 20
    assert any(setting.partition("=")[0] in sentence for sentence in run.info.deviations)


def test_training_begins_from_given_weights_and_refuses_those_of_another_architecture(place: Place, tmp_path: Path) -> None:
    there = Place(place.data, tmp_path, "cpu")
    first = train(job("ce", "train.epochs=1"), there)
    again = train(job("ce", "train.epochs=1", "optimizer.lr=1e-12", weights=first.path / "last.pt"), there)
    a, b = (load_checkpoint(r.path / "last.pt")["model"]["conv1.weight"] for r in (first, again))
    torch.testing.assert_close(a, b)
    with pytest.raises(UsageError, match=r"last\.pt do not fit resnet20 \(another architecture"):
        train(job("ce", arch="resnet20", weights=first.path / "last.pt"), there)


def test_a_finished_run_is_left_alone(place: Place) -> None:
    first = train(job(), place)
    stamp = (first.path / "last.pt").stat().st_mtime_ns
    assert train(job(), place).name == first.name
    assert (first.path / "last.pt").stat().st_mtime_ns == stamp


def test_another_seed_or_setting_is_another_run(place: Place, tmp_path: Path) -> None:
    there = Place(place.data, tmp_path, "cpu")
    names = {train(job(seed=s), there).name for s in (0, 1)} | {train(job("ce", "optimizer.lr=0.01"), there).name}
    assert len(names) == 3


def test_accumulation_gives_the_same_gradient(place: Place, tmp_path: Path) -> None:
    """Without batch norm in the way (eval-mode statistics would differ), two half batches are one batch."""
    from cambench import objectives, seeds
    from cambench.objectives.network import Network
    from cambench.recipes import load as recipes
    from cambench.stages.training.loop import Loop
    from cambench.store.runs import Run
    from cambench.vocabulary import Batch

    gradients = []
    for parts in (1, 3):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 4))
        recipe = recipes.load("ce", "synthbirds", overrides=[f"train.accumulate={parts}"])
        loop = Loop(Run(tmp_path), recipe, Network(model, "0", None), seed=0)
        g = seeds.generator("batch")
        batch = Batch({"crop": torch.randn(7, 3, 8, 8, generator=g)}, torch.randint(4, (7,), generator=g), tuple(range(7)))
        values = loop.backward(objectives.make("ce", {})[1], batch, g, parts)
        gradients.append((model[1].weight.grad, values["loss"]))
    torch.testing.assert_close(gradients[0], gradients[1])


def test_a_loss_that_is_not_finite_stops_and_keeps_what_was_finished(place: Place, tmp_path: Path) -> None:
    there = Place(place.data, tmp_path, "cpu")
    with pytest.raises(CambenchError, match=r"expected a finite loss, got (nan|inf).*epoch 1.*optimizer\.lr"):
        train(job("ce", "optimizer.lr=1e30", "schedule.warmup_epochs=0"), there)
    (folder,) = (tmp_path / "runs").iterdir()
    assert not (folder / "last.pt").exists()


def test_a_foreign_checkpoint_is_named_and_kept(place: Place, tmp_path: Path) -> None:
    there = Place(place.data, tmp_path, "cpu")
    run = train(job("ce", "train.epochs=1"), there)
    run.save(finished=False)
    foreign = load_checkpoint(run.path / "last.pt")
    foreign["model"] = {"other.weight": torch.zeros(1)}
    torch.save(foreign, run.path / "last.pt")
    with pytest.raises(CambenchError, match=r"last\.pt: not a checkpoint of this run"):
        train(job("ce", "train.epochs=1"), there)
    assert (run.path / "last.pt").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"overrides": ["model.layer=layer9"]}, "layer9"),
        ({"classes": 99}, "between 1 and 4 classes, got 99"),
        ({"weights": Path("/nowhere.pt")}, "--weights /nowhere.pt: expected a file"),
        ({"arch": "resnet99"}, "Did you mean"),
    ],
)
def test_wrong_input_is_one_clear_error(options: dict, said: str, place: Place, tmp_path: Path) -> None:
    overrides = [*TINY, *options.pop("overrides", [])]
    with pytest.raises(UsageError, match=said):
        train(TrainJob("ce", "synthbirds", overrides=overrides, **options), Place(place.data, tmp_path, "cpu"))


def test_an_augmentation_takes_the_place_of_the_random_views_alone() -> None:
    given = recipes.load("ce", "cub").input
    plain = View("random-resized-crop", 224, None, (0.08, 1.0), (0.75, 1.3333333333333333), 0.5)
    assert view("random-resized-crop", given) == plain
    augmented = given.model_copy(update={"augment": "Wang"})
    assert view("random-resized-crop", augmented) == replace(plain, kind="wang")
    assert view(PLAIN, augmented) == view(PLAIN, given) == view(AUGMENTED, given) == plain
    assert view(AUGMENTED, augmented) == replace(plain, kind="wang")
    coloured = given.model_copy(update={"augment": "supcon"})
    assert view("random-resized-crop", coloured) == replace(plain, colour="supcon")
    assert view("resize-center-crop", coloured) == view("resize-center-crop", given)
    query = View("resize-center-crop", 224, None, (0.08, 1.0), (0.75, 1.3333333333333333))
    still = augmented.model_copy(update={"crop": "evaluation"})
    assert view(AUGMENTED, still) == replace(plain, kind="wang")
    assert view(PLAIN, still) == view("random-resized-crop", still) == query
    assert view("resize-center-crop", augmented) == view("resize-center-crop", given) == query


def test_small_images_of_one_file_train_from_the_cache(tmp_path: Path) -> None:
    cifar100(tmp_path)
    chosen = TrainJob("ce", "cifar100", "resnet8", overrides=["train.epochs=1", "train.batch_size=3", *COLOURS])
    run = train(chosen, Place(tmp_path, tmp_path / "r", "cpu", workers=0))
    assert run.finished and run.info.data["images"] == 6
    assert len(list((tmp_path / "r" / "cache").glob("*.npy"))) == 2, "training and validation"
    line = json.loads((run.path / "log.jsonl").read_text())
    assert {"training_accuracy", "validation_accuracy"} <= line.keys() and "accuracy" not in line, "both in percent"


def test_an_unknown_augmentation_is_one_clear_error(place: Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown augmentation 'wnag'\. Did you mean wang\? Known: supcon, wang\."):
        train(job("ce-augmented", "input.augment=wnag"), replace(place, results=tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("device", "setting", "message"), [
    ("nowhere", "train.epochs=1", "--device nowhere: not available here"),
    ("cpu", "optimizer.groups={nohead={lr=1.0}}", "unknown module 'nohead'"),
])  # fmt: skip
def test_what_cannot_be_trained_is_refused_before_a_run_is_opened(
    place: Place, tmp_path: Path, device: str, setting: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(job("ce", setting), replace(place, results=tmp_path, device=device))
    assert not list(tmp_path.glob("runs/*"))


def test_the_augmented_method_is_the_same_for_any_number_of_workers(place: Place, tmp_path: Path) -> None:
    losses = []
    for name, workers in (("a", 0), ("b", 2)):
        run = train(job("ce-augmented"), replace(place, results=tmp_path / name, workers=workers))
        losses.append([line["loss"] for line in run.log()])
    assert losses[0] == losses[1]
