"""Heads on frozen networks as Hard-ImageNet's suite trains them: batch norms, dilated masks (rivals protocol §7)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import TINY
from torch import nn

from cambench import data, models, objectives
from cambench.data.loader import train_batches
from cambench.data.regions import regions_in_view
from cambench.data.views import View
from cambench.stages.training.focus import masks_of
from cambench.stages.training.learning import batch_statistics, learning
from cambench.stages.training.opening import open_images
from cambench.stages.training.own import load_recipe
from cambench.stages.training.train import TrainJob, prepare_lessons, train
from cambench.stages.workplace import Place
from cambench.store.checkpoints import load_checkpoint
from cambench.vocabulary import UsageError

DILATED = "data.mask_resize=dilated"


@pytest.fixture
def place(birds: Path, tmp_path: Path) -> Place:
    return Place(birds, tmp_path / "own", "cpu")


class Small(nn.Module):
    """Batch norm, pooling, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.fc = nn.BatchNorm2d(1), nn.Linear(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.norm(x).mean((2, 3)))  # type: ignore[no-any-return]


def test_batch_norms_by_hand() -> None:
    """Momentum .1, mean 0, one batch of mean 2: .2 meanwhile, 0 afterwards; the features are normalised by the batch."""
    model, x = Small().eval(), torch.tensor([1.0, 3.0])[:, None, None, None]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with batch_statistics(model):
        assert model.norm(x).flatten().tolist() == pytest.approx([-1, 1], abs=1e-4)
        assert float(model.norm.running_mean) == pytest.approx(0.2)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    for how, expected in (("eval", [1.0, 3.0]), ("train", [-1.0, 1.0])):
        with learning(model, True, how):
            assert model.norm(x).flatten().tolist() == pytest.approx(expected, abs=1e-4)
            assert [p.requires_grad for p in model.parameters()] == [False, False, True, True]
    assert not model.norm.training and not model.fc.training


def test_only_the_head_changes_and_it_learns_from_other_features(place: Place) -> None:
    base = train(TrainJob("ce", "synthbirds", overrides=[*TINY, "train.epochs=1"]), place).path / "last.pt"
    states = [load_checkpoint(base)["model"]]
    for overrides in ([], ["model.frozen_bn=train"]):
        job = TrainJob("ce-head", "synthbirds", weights=base, overrides=[*TINY, "train.epochs=2", *overrides])
        run = train(job, place)
        states.append(load_checkpoint(run.path / "last.pt")["model"])
    first, plain, by_batch = states
    for state in (plain, by_batch):
        assert {k for k in first if not torch.equal(first[k], state[k])} == {"fc.weight", "fc.bias"}
    assert not torch.equal(plain["fc.weight"], by_batch["fc.weight"])
    assert run.info.recipe["model"]["frozen_bn"] == "train" and any("frozen_bn" in s for s in run.info.deviations)
    assert "frozen_bn" not in load_recipe("ce-head", "synthbirds").model_dump()["model"], "runs of before stay what they are"


def test_a_head_learns_as_the_suite_trains_it(place: Place) -> None:
    """The suite's loop: the whole network in train mode, Adam on the head alone, which then goes onto a fresh trunk."""
    base = train(TrainJob("ce", "synthbirds", overrides=[*TINY, "train.epochs=1"]), place).path / "last.pt"
    overrides = [*TINY, "train.epochs=2", "optimizer.clip=0", "model.frozen_bn=train"]
    run = train(TrainJob("ce-head", "synthbirds", weights=base, overrides=overrides), place)
    recipe = load_recipe("ce-head", "synthbirds", overrides=overrides)
    objective, _ = objectives.make(recipe.objective, recipe.objective_settings)
    job = TrainJob("ce-head", "synthbirds")
    images = open_images(job, recipe, objective, place.data)
    lessons = prepare_lessons(job, recipe, objective, images, place)
    network = models.build(recipe.arch, len(lessons.dataset.classes), weights=base)
    adam = torch.optim.Adam(network.fc.parameters(), lr=recipe.optimizer.lr, betas=(0.9, 0.999), weight_decay=1e-4)
    for epoch in range(2):
        for batch in lessons.epoch(epoch):
            network.train()
            loss = nn.functional.cross_entropy(network(batch.views["crop"]), batch.label)
            adam.zero_grad()
            loss.backward()
            adam.step()
    trained = load_checkpoint(run.path / "last.pt")["model"]
    assert not torch.equal(network.state_dict()["bn1.running_mean"], trained["bn1.running_mean"]), "the suite's drift"
    for name in ("weight", "bias"):
        torch.testing.assert_close(trained[f"fc.{name}"], network.fc.state_dict()[name], rtol=1e-4, atol=1e-6)


def test_dilated_masks_in_training_are_those_of_evaluation(place: Place) -> None:
    recipe = load_recipe("corm", "synthbirds", overrides=[*TINY, DILATED])
    dataset, view = data.load("synthbirds", "train", place.data), View("squash-center-crop", 24, resize=28)
    made = {}
    for name, given in (("nearest", load_recipe("corm", "synthbirds", overrides=TINY)), ("dilated", recipe)):
        masks = masks_of(objectives.INDEX["corm"], given, dataset, view)
        batches = train_batches(dataset, {"crop": view}, batch_size=8, seed=0, epoch=0, workers=0, masks=masks)
        made[name] = {row: r for b in batches for row, r in zip(b.rows, b.regions.numpy(), strict=True)}  # type: ignore[union-attr]
    for row in range(len(dataset)):
        for name, regions in made.items():
            wanted = regions_in_view(dataset, row, view, "segmentation", dilated=name == "dilated")
            assert np.array_equal(regions[row], wanted), name
    sizes = {name: sum(int((r >= 0).sum()) for r in regions.values()) for name, regions in made.items()}
    assert sizes["dilated"] > 1.05 * sizes["nearest"]


def test_dilated_masks_need_masks_of_one_object(place: Place) -> None:
    with pytest.raises(UsageError, match=r"redraw and mask_resize need data\.masks"):
        load_recipe("ce-head", "synthbirds", overrides=[DILATED])
    recipe = load_recipe("cfbce", "synthbirds-multilabel", overrides=[DILATED])
    dataset = replace(data.load("synthbirds", "train", place.data), multilabel=True)
    with pytest.raises(UsageError, match="data.mask_resize = dilated: expected one object an image, got synthbirds"):
        masks_of(objectives.INDEX["cfbce"], recipe, dataset, View("resize", 32))
