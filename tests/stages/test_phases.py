"""Epochs of two phases: as two trainings with an optimiser each, and nothing of one reaches what the other trains."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from cambench import data, models, seeds
from cambench.data.views import View
from cambench.objectives import make
from cambench.objectives.network import Network, Terms
from cambench.recipes.load import load
from cambench.stages.training.learning import learning
from cambench.stages.training.lessons import Lessons, Phase, split
from cambench.stages.training.loop import Loop
from cambench.stages.training.optimiser import learning_rate
from cambench.stages.workplace import Place
from cambench.store.runs import Run
from cambench.vocabulary import Batch

SGD = ["optimizer.name=sgd", "optimizer.lr=0.1", "optimizer.weight_decay=0.01", "optimizer.clip=0.0"]
OVERRIDES = ["train.epochs=3", "train.batch_size=10", *SGD]


def features(model: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """The encoder's output."""
    x = model.relu(model.bn1(model.conv1(image)))
    return model.avgpool(model.layer3(model.layer2(model.layer1(x)))).flatten(1)


def encoder_step(network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """Something that trains the encoder alone."""
    loss = (features(network.model, batch.image) - torch.rand(64, generator=generator)).square().mean()
    yield loss
    return {"epoch": torch.tensor(float(batch.epoch))}


def lessons(place: Place) -> tuple[Lessons, Lessons]:
    """24 images in two views and orders: 3 steps an epoch."""
    dataset = data.load("synthbirds", "train", place.data)
    kinds = ("random-resized-crop", "resize-center-crop")
    views = ({"crop": View(kind, 16)} for kind in kinds)
    return tuple(Lessons(dataset, v, 10, s, source={"workers": 0}, epochs=3) for v, s in zip(views, (0, 5), strict=True))


def model() -> nn.Module:
    """The beginning."""
    return models.build("resnet8", 4, surgery=("projection",), seed=3)


def by_hand(first: Lessons, second: Lessons) -> nn.Module:
    """Three epochs with two optimisers, as the authors' code has them (ExCon protocol §1.6)."""
    net = model()
    encoder = [p for n, p in net.named_parameters() if not n.startswith(("fc.", "projection."))]
    given = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}
    of_encoder, of_classifier = torch.optim.SGD(encoder, **given), torch.optim.SGD(net.fc.parameters(), **given)
    schedule = load("ce", "synthbirds", overrides=OVERRIDES).schedule
    for epoch in range(3):
        net.train()
        for i, batch in enumerate(first.epoch(epoch)):
            of_encoder.param_groups[0]["lr"] = learning_rate(schedule, 0.1, step=3 * epoch + i, steps=3, epochs=3)
            of_encoder.zero_grad()
            wanted = torch.rand(64, generator=seeds.generator(0, "step", epoch, i))
            (features(net, batch.image) - wanted).square().mean().backward()
            of_encoder.step()
        net.eval()
        for i, batch in enumerate(second.epoch(epoch)):
            of_classifier.param_groups[0]["lr"] = learning_rate(schedule, 0.1, step=3 * epoch + i, steps=3, epochs=3)
            of_classifier.zero_grad()
            with torch.no_grad():
                f = features(net, batch.image)
            cross_entropy(net.fc(f), batch.label).backward()
            of_classifier.step()
    return net


def test_two_phases_are_two_trainings_with_an_optimiser_each(place: Place, tmp_path: Path) -> None:
    first, second = lessons(place)
    net, recipe = model(), load("ce", "synthbirds", overrides=OVERRIDES)
    run = Run(tmp_path)
    phases = [Phase(encoder_step, first), Phase(make("classifier", {})[1], second, "classifier", frozen=True)]
    Loop(run, recipe, Network(net, "layer3", net.fc), seed=0).train(
        phases, data.load("synthbirds", "test", place.data), bool
    )
    expected = by_hand(first, second).state_dict()
    for name, value in net.state_dict().items():
        assert torch.equal(value, expected[name]), name
    began = model().projection.state_dict()
    assert all(torch.equal(value, began[k]) for k, value in net.projection.state_dict().items()), "no gradient, no decay"
    log = run.log()
    assert [line["epoch"] for line in log] == [1, 2, 3] and all(p.requires_grad for p in net.parameters())
    assert {"loss", "classifier_loss", "training_classifier_accuracy", "validation_accuracy", "validation_loss"} <= set(
        log[0]
    )
    assert log[2]["classifier_loss"] < log[0]["classifier_loss"]


def test_an_epochs_rate_is_that_of_its_last_step_in_the_first_group(place: Place, tmp_path: Path) -> None:
    first, second = lessons(place)
    changes = ["schedule.name=cosine", "schedule.warmup_epochs=1", "optimizer.groups={head={lr=5.0}}"]
    net, recipe = model(), load("ce", "synthbirds", overrides=[*OVERRIDES, *changes])
    phases = [Phase(encoder_step, first), Phase(make("classifier", {})[1], second, "classifier", frozen=True)]
    run = Run(tmp_path)
    Loop(run, recipe, Network(net, "layer3", net.fc), seed=0).train(phases, None, bool)
    rates = [learning_rate(recipe.schedule, 0.1, step=3 * epoch + 2, steps=3, epochs=3) for epoch in range(3)]
    assert [line["lr"] for line in run.log()] == rates and 5 > rates[0] > rates[1] > rates[2] > 0


def test_validation_is_top1_and_mean_cross_entropy(place: Place, tmp_path: Path) -> None:
    """40 test images in batches of 16: the last one is smaller."""
    net, recipe = model(), load("ce", "synthbirds", overrides=["input.size=16", "train.batch_size=16"])
    held_out = data.load("synthbirds", "test", place.data)
    found = Loop(Run(tmp_path), recipe, Network(net.eval(), "layer3", None), seed=0).validate(held_out, {"workers": 0})
    from cambench.data.loader import eval_batches

    (batch,) = eval_batches(held_out, View("resize-center-crop", 16), batch_size=40, workers=0)
    p = torch.softmax(net(batch.image).detach().double(), 1)
    assert found["validation_loss"] == pytest.approx(float(-p[torch.arange(40), batch.label].log().mean()), rel=1e-5)
    assert found["validation_accuracy"] == pytest.approx(100 * float((p.argmax(1) == batch.label).double().mean()))


def test_a_batch_knows_its_epoch_and_so_do_its_pieces(place: Place) -> None:
    first, _ = lessons(place)
    for batch in first.epoch(1):
        assert (batch.epoch, batch.epochs) == (2, 3)
        assert all((piece.epoch, piece.epochs) == (2, 3) for piece in split(batch, 2))


def test_a_frozen_phase_trains_the_classifier_alone_even_after_an_error() -> None:
    net = model().train()
    with learning(net, frozen=True):
        assert {n for n, p in net.named_parameters() if p.requires_grad} == {"fc.weight", "fc.bias"}
        assert not net.bn1.training and net.fc.training
    assert all(p.requires_grad for p in net.parameters()) and not net.training
    with pytest.raises(ValueError), learning(net, frozen=True):
        raise ValueError
    assert all(p.requires_grad for p in net.parameters())
    with learning(net, frozen=False):
        assert net.bn1.training
