"""ExCon's recipes: the constants of ExCon protocol §1.4–1.6."""

from __future__ import annotations

import pytest
import torch

from cambench import models
from cambench.explainers.probe import find_layer
from cambench.pixels import NORMALISATIONS
from cambench.recipes.load import load
from cambench.recipes.presets import overrides
from cambench.stages.reproducing.plan import Network
from cambench.stages.training.focus import departures
from cambench.stages.training.optimiser import learning_rate
from cambench.stages.training.train import view

METHODS = ("supcon-ori", "supcon", "excon", "exconb")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("dataset", "size"), [("cifar100", 32), ("tiny-imagenet", 64)])
def test_the_papers_constants(method: str, dataset: str, size: int) -> None:
    recipe = load(method, dataset, "resnet50")
    optimizer, schedule, given = recipe.optimizer, recipe.schedule, recipe.input
    assert (optimizer.name, optimizer.lr, optimizer.momentum, optimizer.nesterov) == ("sgd", 0.5, 0.9, False)
    assert (optimizer.weight_decay, optimizer.groups) == (1e-4, {})
    assert (recipe.train.epochs, recipe.train.batch_size, recipe.train.precision) == (200, 128, "float32")
    assert recipe.train.validate_epochs and recipe.train.accumulate == 1
    rates = [learning_rate(schedule, 0.5, step=e - 1, steps=1, epochs=200) for e in (1, 50, 100, 200)]
    assert rates == pytest.approx([0.499969, 0.426850, 0.250250, 0.000500], abs=5e-7)
    assert (given.size, given.scale, given.flip, given.evaluation) == (size, (0.2, 1.0), 0.5, "resize")
    assert given.ratio == pytest.approx((3 / 4, 4 / 3))
    assert view("plain", given).random == (dataset == "cifar100") and view("augmented", given).random
    assert view("resize-center-crop", given).kind == "resize"
    assert given.normalisation == dataset and view("augmented", given).mean == NORMALISATIONS[dataset].mean
    assert "authors' code" in recipe.sources["input.normalisation"] and not departures(recipe)
    assert recipe.model.surgery == ["small-stem", "projection"]
    assert (recipe.model.init, recipe.model.frozen) == (
        ("trunk:supcon", True) if method == "supcon-ori" else ("scratch", False)
    )
    settings = recipe.objective_settings
    if method == "supcon-ori":
        assert (recipe.objective, settings) == ("classifier", {})
    else:
        assert (settings["temperature"], settings["base_temperature"]) == (0.1, 0.07)


def test_simclr_is_supcon_but_for_what_a_view_is_drawn_to() -> None:
    ours, theirs = load("supcon", "cifar100", "resnet50", overrides("simclr")), load("supcon", "cifar100", "resnet50")
    assert ours.objective_settings == {**theirs.objective_settings, "positives": "image"}
    kept = {"sources", "objective_settings", "deviations"}
    assert ours.model_dump(exclude=kept) == theirs.model_dump(exclude=kept)
    assert ours.deviations == [
        'objective_settings.positives = "image" instead of "class" (paper: all views of a class (ExCon eq. 2))'
    ]


def test_settings_that_are_new_go_unsaid_at_the_papers_values_so_that_old_runs_are_found() -> None:
    plain = load("exconb", "cifar100", "resnet50")
    assert plain.objective_settings["contrast_mode"] == "all" and plain.objective_settings["background_anchor"] is False
    assert set(plain.model_dump()["objective_settings"]) == {
        "temperature", "base_temperature", "start", "background", "explain_bn",
    }  # fmt: skip
    one = load("exconb", "cifar100", "resnet50", ["objective_settings.contrast_mode=one"])
    assert one.model_dump()["objective_settings"]["contrast_mode"] == "one"
    assert one.deviations[0].startswith('objective_settings.contrast_mode = "one" instead of "all" (paper: every view')


@pytest.mark.parametrize(("dataset", "side"), [("cifar100", 16), ("tiny-imagenet", 8)])
@pytest.mark.parametrize("arch", ["resnet50", "resnet18"])
def test_the_explained_layer_is_a_convolution_before_its_batch_norm(dataset: str, side: int, arch: str) -> None:
    recipe = load("excon", dataset, arch)
    model = models.build(arch, 5, surgery=recipe.model.surgery).eval()
    seen: list[torch.Tensor] = []
    layer = find_layer(model, recipe.model.layer)
    assert isinstance(layer, torch.nn.Conv2d) and (arch != "resnet50" or layer.kernel_size == (1, 1))
    layer.register_forward_hook(lambda _m, _i, output: seen.append(output))
    with torch.inference_mode():
        model(torch.zeros(1, 3, recipe.input.size, recipe.input.size))
    assert seen[0].shape[2:] == (side, side)


@pytest.mark.parametrize(
    ("method", "dataset", "batch", "start"),
    [
        ("excon", "cifar100", 128, 0),
        ("excon", "cifar100", 256, 100),
        ("excon", "tiny-imagenet", 128, 0),
        ("exconb", "cifar100", 128, 50),
        ("exconb", "cifar100", 256, 50),
        ("exconb", "tiny-imagenet", 128, 0),
    ],
)
def test_the_papers_start_epochs(method: str, dataset: str, batch: int, start: int) -> None:
    by_preset = load(method, dataset, "resnet50", preset={"train.batch_size": batch})
    by_hand = load(method, dataset, "resnet50", [f"train.batch_size={batch}"])
    for recipe in (by_preset, by_hand):
        settings = recipe.objective_settings
        assert (settings["start"], settings["background"]) == (start, method == "exconb")
        assert settings["explain_bn"] == "train" and recipe.sources["objective_settings.start"].startswith("paper")
    assert len(by_hand.deviations) == (batch != 128)


def test_a_trunk_shares_size_normalisation_epochs_and_batch_size_with_what_begins_from_it() -> None:
    preset = {"train.batch_size": 256, "objective_settings.start": 100}
    base = Network("supcon-ori", "resnet50", "tiny-imagenet", 3, {"train.batch_size": 256}, ("optimizer.lr=1",)).base
    assert base is not None and (base.method, base.seed, base.overrides) == ("supcon", 3, ())
    assert base.recipe.train.batch_size == 256 and base.recipe.optimizer.lr == 0.5
    same = Network("supcon", "resnet50", "tiny-imagenet", 3, {"train.batch_size": 256})
    assert base.key == same.key, "the very run that is SupCon's own"
    by_hand = Network("supcon-ori", "resnet50", "tiny-imagenet", 3, overrides=("train.epochs=5", "optimizer.lr=1")).base
    assert by_hand is not None and by_hand.overrides == ("train.epochs=5",)
    assert Network("excon", "resnet50", "tiny-imagenet", 3, preset).base is None
    given = ("input.normalisation=imagenet",)
    seen = Network("supcon-ori", "resnet50", "tiny-imagenet", 3, overrides=given).base
    assert seen is not None and seen.recipe.input.normalisation == "imagenet", "an encoder sees what it learned from"
