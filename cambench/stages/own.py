"""The recipe of a training on a `python:` network, which brings its own weights and its own preprocessing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from cambench.models.backbones import PYTHON, create
from cambench.models.preprocessing import Preprocessing, preprocessing_of
from cambench.pixels import DEFAULT
from cambench.recipes import load as recipes
from cambench.recipes.schema import Colouring, TrainingRecipe
from cambench.vocabulary import UsageError

ASKED = ("command line", "table recipe")
KEY = "input.normalisation"
OWN = "own"


def load_recipe(
    method: str,
    dataset: str,
    arch: str | None = None,
    overrides: Sequence[str] = (),
    preset: Mapping[str, Any] = recipes.NONE,
) -> TrainingRecipe:
    """`recipes.load`, with the normalisation that the network declares in place of the recipe's, by its numbers.

    Raises: UsageError; also where the network's own weights are asked for and it has none.
    """
    recipe = recipes.load(method, dataset, arch, overrides, preset)
    if not recipe.arch.startswith(PYTHON):
        if recipe.model.init == OWN:
            raise UsageError(f"model.init = own is for a python: network, got {recipe.arch}; say imagenet or scratch.")
        return recipe
    own = declared(recipe.arch)
    if not own.source or recipe.sources.get(KEY) in ASKED:
        return recipe
    normalisation = "imagenet" if own.normalisation == DEFAULT else Colouring(**own.normalisation._asdict())
    update = {"normalisation": normalisation}
    sources = {**recipe.sources, KEY: f"the network's own ({own.source})"}
    return recipe.model_copy(update={"input": recipe.input.model_copy(update=update), "sources": sources})


def footnotes(recipe: TrainingRecipe, weights: str | None) -> list[str]:
    """What every table says of a run whose network brought its weights. weights: what it began from instead, if anything."""
    return ["Training began with the network's own weights"] if recipe.model.init == OWN and weights is None else []


@cache
def declared(arch: str) -> Preprocessing:
    """What a `python:` network declares of its input; the network is made once for it."""
    return preprocessing_of(arch, create(arch))
