"""An architecture in a recipe: its constants are the same however it is spelt."""

from __future__ import annotations

import pytest

from cambench.recipes import load as recipes
from cambench.stages.training.own import load_recipe


@pytest.mark.parametrize(("method", "dataset", "arch", "others"), [
    ("cgc", "imagenet", "resnet18", ["ResNet18", "torchvision:resnet18", "torchvision:RESNET18"]),
    ("cam", "cub-wsol", "vgg16", ["VGG16", "torchvision:VGG16"]),
    ("calm-ml", "cub-wsol", "inception_v3", ["Inception-v3", "torchvision:inception_v3"]),
    ("ce", "synthbirds", "resnet8", ["ResNet8"]),
])  # fmt: skip
def test_an_architecture_has_its_constants_however_it_is_spelt(
    method: str, dataset: str, arch: str, others: list[str]
) -> None:
    expected = recipes.load(method, dataset, arch)
    for other in others:
        assert recipes.load(method, dataset, other).model_copy(update={"arch": arch}) == expected
        assert load_recipe(method, dataset, other) == load_recipe(method, dataset, arch) == expected
    assert recipes.load("cgc", "imagenet", "ResNet18").objective_settings["weight"] == 1.0
