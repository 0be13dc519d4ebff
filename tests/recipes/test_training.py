"""Training recipes: the constants of the papers, overrides, and errors that name the file, the key and the nearest key."""

from __future__ import annotations

import pytest

from cambench.objectives import make
from cambench.recipes import load as recipes
from cambench.vocabulary import UsageError

DATASETS = ("imagenet", "cub", "cars", "aircraft", "flowers", "tiny-imagenet", "synthbirds", "folder")


@pytest.mark.parametrize("method", sorted(recipes.methods()))
@pytest.mark.parametrize("dataset", DATASETS)
def test_every_constant_has_a_source_and_the_objective_takes_its_settings(method: str, dataset: str) -> None:
    recipe = recipes.load(method, dataset)
    for table in recipes.TABLES:
        entries = recipe.model_dump()[table]
        for name in entries:
            assert recipe.sources.get(f"{table}.{name}"), f"{method}: {table}.{name} has no source"
    make(recipe.objective, recipe.objective_settings)
    assert recipe.deviations == []


@pytest.mark.parametrize(
    ("dataset", "arch", "weight"),
    [
        ("imagenet", "resnet18", 1.0),
        ("imagenet", "resnet50", 0.5),
        ("cub", "resnet50", 0.25),
        ("cars", "resnet50", 0.25),
        ("aircraft", "resnet50", 0.5),
        ("flowers", "resnet50", 0.5),
    ],
)
def test_the_papers_weights_of_the_consistency_loss(dataset: str, arch: str, weight: float) -> None:
    recipe = recipes.load("cgc", dataset, arch)
    assert recipe.objective_settings["weight"] == weight
    assert recipe.objective_settings["temperature"] == 0.5
    assert recipes.load("cgc-no-negatives", dataset, arch).objective_settings["weight"] == weight


def test_the_papers_optimiser() -> None:
    recipe = recipes.load("ce", "imagenet")
    assert (recipe.train.epochs, recipe.train.batch_size) == (90, 256)
    assert (recipe.optimizer.lr, recipe.optimizer.momentum, recipe.optimizer.weight_decay) == (0.1, 0.9, 1e-4)
    assert (recipe.schedule.name, recipe.schedule.step, recipe.schedule.gamma) == ("step", 30, 0.1)


def test_an_override_is_taken_typed_and_said() -> None:
    recipe = recipes.load("ce", "imagenet", overrides=["optimizer.lr=1", "train.epochs=5", "model.surgery=['no-max-pool']"])
    assert recipe.optimizer.lr == 1.0
    assert recipe.model.surgery == ["no-max-pool"]
    assert recipe.deviations[0] == "optimizer.lr = 1.0 instead of 0.1 (paper)"
    assert recipe.sources["train.epochs"] == "command line"
    assert recipes.load("ce", "imagenet", overrides=["optimizer.lr=0.1"]).deviations == []


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("optimiser.lr=1", "Did you mean optimizer.lr"),
        ("optimizer.lr", "expected a.b=value"),
        ("optimizer.lr=fast", "optimizer.lr: input should be a valid number, got 'fast'"),
        ("train.epochs=0", "train.epochs: input should be greater than or equal to 1, got 0"),
        ("schedule.name=exponential", "schedule.name"),
    ],
)
def test_a_wrong_override_is_one_clear_error(override: str, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace(".", r"\.").replace("(", r"\(")):
        recipes.load("ce", "imagenet", overrides=[override])


def test_unknown_methods_and_settings_are_named() -> None:
    with pytest.raises(UsageError, match="unknown method 'cgd'. Did you mean cgc"):
        recipes.load("cgd", "imagenet")
    with pytest.raises(UsageError, match="objective_settings of cgc: temperature"):
        make("cgc", {})
    with pytest.raises(UsageError, match="extra inputs are not permitted"):
        make("ce", {"temperature": 1.0})


def test_underscores_mean_the_same() -> None:
    assert recipes.load("cgc_no_negatives", "tiny_imagenet").method == "cgc-no-negatives"
