"""Anyone's own network, from its own weights and preprocessing to a trained run that is loaded and explained."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import TINY

from cambench import models
from cambench.models.preprocessing import as_dictionary
from cambench.pixels import DEFAULT
from cambench.recipes import load as recipes
from cambench.stages.images import make_view, open_data
from cambench.stages.measuring.explain import ExplainJob, explain
from cambench.stages.network import given_run, load_network
from cambench.stages.training import own
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.checkpoints import load_checkpoint
from cambench.vocabulary import UsageError

SOURCE = """
import torch
from torch import nn
def block(c, d, s): return nn.Sequential(nn.Conv2d(c, d, 3, s, 1, bias=False), nn.BatchNorm2d(d), nn.ReLU())
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(block(3, 8, 2), block(8, 8, 2), block(8, 16, 2))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(16, 10))
    def forward(self, x): return self.classifier(self.features(x).mean((2, 3)))
def build():
    torch.manual_seed(5)
    return Net()
preprocessing = {"size": 48, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.5, 1]}
"""
ARCH = "python:itsownnet:build"
OWN = ((0.5, 0.5, 0.5), (0.25, 0.5, 1.0))


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "itsownnet.py").write_text(SOURCE)
    own.declared.cache_clear()
    yield
    sys.modules.pop("itsownnet", None)
    own.declared.cache_clear()


def job(method: str, *overrides: str, arch: str = ARCH) -> TrainJob:
    return TrainJob(method, "synthbirds", arch, overrides=[*TINY, "train.epochs=1", *overrides])


def test_a_run_begins_with_its_weights_and_normalisation_and_is_loaded_with_its_own_head(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(job("ce", "optimizer.lr=1e-12"), place)
    said = capsys.readouterr().err
    assert "the network's own weights; its own preprocessing (preprocessing): 48 px" in " ".join(said.split())
    recipe = run.info.recipe
    assert recipe["model"]["init"] == "own" and recipe["sources"]["model.init"].startswith("the network's own weights")
    assert recipe["input"]["normalisation"] == {"mean": list(OWN[0]), "std": list(OWN[1])}
    assert [text for text in run.info.deviations if "lr" not in text and "epochs" not in text and "size" not in text] == [
        "Training began with the network's own weights"
    ]
    trained = load_checkpoint(run.path / "last.pt")["model"]
    torch.testing.assert_close(trained["features.0.0.weight"], models.build(ARCH).state_dict()["features.0.0.weight"])
    assert trained["classifier.1.weight"].shape == (4, 16)
    loaded = load_network(run, place)
    dataset = open_data(loaded, place, None, "eval", 3)
    assert loaded.logits(torch.zeros(1, 3, 32, 32)).shape == (1, 4)
    view = make_view("resize-center-crop", loaded)
    assert (view.size, view.mean, view.std) == (32, *OWN)
    assert len(explain(ExplainJob("grad-cam"), loaded, dataset, place).maps) == 3
    assert train(job("ce", "optimizer.lr=1e-12"), place).name == run.name


@pytest.mark.parametrize("method", ["cgc", "calm-em", "calm-ml", "cfce", "ce-arch", "supcon", "cam"])
def test_every_kind_of_method_trains_it_and_goes_on(method: str, place: Place, tmp_path: Path) -> None:
    there = replace(place, results=tmp_path)
    settings = ["model.surgery=['calm-head']"] if method.startswith("calm") else []
    settings += ["model.layer=''"] if method == "supcon" else []
    run = train(job(method, *settings), there)
    (run.path / "run.json").write_text((run.path / "run.json").read_text().replace('"finished": true', '"finished": false'))
    again = train(job(method, *settings), there)
    assert again.finished and len(again.log()) == 1
    loaded = load_network(again, there)
    assert loaded.logits(torch.zeros(1, 3, 32, 32)).shape == (1, 4)
    if method.startswith("calm"):
        assert loaded.layer == "features.calm.latent"


def test_a_given_network_is_looked_at_through_its_own_preprocessing(place: Place) -> None:
    loaded = load_network(given_run(ARCH, place, None), place)
    view = make_view("resize-center-crop", loaded)
    assert (view.size, view.resize, view.mean, view.std) == (48, None, *OWN)
    assert loaded.logits(torch.zeros(1, 3, 48, 48)).shape == (1, 10)


def test_scratch_is_honoured_and_what_cannot_be_is_one_line() -> None:
    load = own.load_recipe
    assert load("ce", "synthbirds", ARCH).model.init == load("cam", "cub", ARCH).model.init == "own"
    anew = load("ce", "synthbirds", ARCH, ["model.init=scratch"])
    assert anew.model.init == "scratch" and anew.deviations[0].startswith('model.init = "scratch" instead of "own"')
    named = load("ce", "synthbirds", ARCH, ["input.normalisation=cifar100"])
    assert named.input.normalisation == "cifar100" and named.input.colours != DEFAULT
    with pytest.raises(UsageError, match="model.init = own is for a python: or hf: network, got resnet8"):
        load("ce", "synthbirds", "resnet8", ["model.init=own"])
    with pytest.raises(
        UsageError, match=r"itsownnet:build: torchvision has no weights for it; it brings its own .model.init = own"
    ):
        models.build(ARCH, weights="pretrained")


def test_the_size_that_a_network_declares_is_trained_at_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    load, usual = own.load_recipe, recipes.load("ce", "cub", "resnet50").input
    recipe = load("ce", "cub", ARCH)
    assert (recipe.input.size, recipe.input.resize, recipe.deviations) == (48, 0, []) and usual.size == 224
    assert recipe.sources["input.size"] == "the network's own preprocessing (preprocessing)"
    named = load("ce", "cub", ARCH, ["input.size=64"])
    assert named.input.size == 64 and named.sources["input.size"] == "command line"
    assert named.deviations == ["input.size = 64 instead of 48 (the network's own preprocessing (preprocessing))"]
    assert load("ce", "cub", ARCH, ["input.size=48"]).deviations == []
    assert load("ce", "cub", ARCH, preset={"input.size": 64}).input.size == 64
    with monkeypatch.context() as patch:
        patch.setattr(own, "declared", lambda arch: as_dictionary("preprocessing", {"size": 48, "resize": 50}))
        assert (load("ce", "cub", ARCH).input.size, load("ce", "cub", ARCH).input.resize) == (48, 50)
        assert load("ce", "cub", ARCH, ["input.resize=52"]).input.resize == 52
        assert load("ce", "cub", ARCH, ["input.size=64"]).input.resize == usual.resize
        patch.setattr(own, "declared", lambda arch: as_dictionary("preprocessing", {"mean": [0.5, 0.5, 0.5]}))
        assert (load("ce", "cub", ARCH).input.size, load("ce", "cub", ARCH).input.resize) == (usual.size, usual.resize)


@pytest.mark.parametrize("arch", sorted(models.ARCHS))
@pytest.mark.parametrize("method", ["ce", "cgc", "ce-adam", "cam", "calm-ml", "cfce", "ce-augmented"])
def test_small_networks_of_our_own_begin_from_scratch_on_any_data_set(method: str, arch: str) -> None:
    assert set(recipes.SMALL) == set(models.ARCHS)
    for dataset in ("folder", "cub", "synthbirds", "tiny-imagenet"):
        recipe = recipes.load(method, dataset, arch)
        assert recipe.model.init == "scratch" and recipe.deviations == []
        assert "ImageNet weights of" in recipe.sources["model.init"] or dataset in ("synthbirds", "tiny-imagenet")
    assert recipes.load(method, "cub", "resnet50" if method != "ce-augmented" else "vgg16_bn").model.init == "imagenet"
