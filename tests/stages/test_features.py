"""A frozen encoder's features, computed once: the same training as through the whole network every epoch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from cambench import models
from cambench.stages.training import train as stage
from cambench.stages.training.frozen_features import Remembered
from cambench.stages.training.loop import Loop
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.checkpoints import load_checkpoint
from cambench.store.runs import Run

SMALL = ("input.size=16", "train.epochs=3", "train.batch_size=7", "data.held_out=0.2")
STILL = (*SMALL, "input.crop=evaluation", "train.accumulate=2")


def images_through(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images go through the encoder in training, a number a forward pass."""
    seen: list[int] = []
    build = models.build

    def watched(*given: object, **options: object) -> nn.Module:
        model = build(*given, **options)  # type: ignore[arg-type]
        model.conv1.register_forward_hook(lambda _, images, __: seen.append(len(images[0])))
        return model

    monkeypatch.setattr(models, "build", watched)
    return seen


def trained(birds: Path, results: Path, monkeypatch: pytest.MonkeyPatch, *, cached: bool, overrides: tuple[str, ...]) -> Run:
    """SupConOri's run, through features or not."""
    with monkeypatch.context() as patch:
        if not cached:
            patch.setattr(stage, "remembered", lambda phase, *_: phase)
        return train(TrainJob("supcon-ori", "synthbirds", overrides=overrides), Place(birds, results, "cpu"))


def test_it_is_the_same_training(birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached, plain = (trained(birds, tmp_path / str(yes), monkeypatch, cached=yes, overrides=STILL) for yes in (True, False))
    assert cached.name == plain.name and len(cached.log()) == 3
    for ours, theirs in zip(cached.log(), plain.log(), strict=True):
        assert {k: v for k, v in ours.items() if "second" not in k} == pytest.approx(
            {k: v for k, v in theirs.items() if "second" not in k}, rel=1e-6
        )
    states = [load_checkpoint(run.path / "last.pt") for run in (cached, plain)]
    for name, value in states[1]["model"].items():
        torch.testing.assert_close(states[0]["model"][name], value, rtol=1e-6, atol=1e-6)


def test_every_image_goes_through_the_encoder_once(birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(TrainJob("supcon", "synthbirds", overrides=SMALL), Place(birds, tmp_path, "cpu"))
    seen, given = images_through(monkeypatch), []
    whole = Loop.train_epoch

    def noted(self: Loop, epoch: int, phase: object) -> dict[str, float]:
        given.append((len(seen), type(phase.lessons) is Remembered))  # type: ignore[attr-defined]
        values = whole(self, epoch, phase)  # type: ignore[arg-type]
        given.append((len(seen), True))
        return values

    monkeypatch.setattr(Loop, "train_epoch", noted)
    trained(birds, tmp_path, monkeypatch, cached=True, overrides=STILL)
    assert len(given) == 6, "three epochs of the classifier, none of the encoder"
    assert all(before == after and yes for (before, yes), (after, _) in zip(given[::2], given[1::2], strict=True))
    given.clear()
    trained(birds, tmp_path, monkeypatch, cached=True, overrides=(*SMALL, "input.crop=random-resized-crop"))
    assert len(given) == 6
    assert all(after > before and not yes for (before, yes), (after, _) in zip(given[::2], given[1::2], strict=True))


def test_a_run_that_goes_on_ends_as_if_it_had_not_stopped(
    birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, finish = trained(birds, tmp_path / "a", monkeypatch, cached=True, overrides=STILL), Loop.finish

    def killed(self: Loop, epoch: int, values: dict[str, float]) -> None:
        finish(self, epoch, values)
        if self.recipe.model.frozen and epoch == 0:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Loop, "finish", killed)
        train(TrainJob("supcon-ori", "synthbirds", overrides=STILL), Place(birds, tmp_path / "b", "cpu"))
    again = trained(birds, tmp_path / "b", monkeypatch, cached=True, overrides=STILL)
    assert (again.path / "last.pt").read_bytes() == (whole.path / "last.pt").read_bytes()
