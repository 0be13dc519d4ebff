"""The recipe of a training on a network that declares its own preprocessing, and may bring its own weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import cache
from typing import Any

from cambench import data
from cambench.models.backbones import BRINGING, DECLARING, TORCHVISION, create, settled
from cambench.models.preprocessing import Preprocessing, preprocessing_of
from cambench.pixels import DEFAULT
from cambench.recipes import load as recipes
from cambench.recipes.schema import TrainingRecipe
from cambench.vocabulary import UsageError

OWN = "own"
SIZE, RESIZE, BATCH = "input.size", "input.resize", "train.batch_size"


def load_recipe(
    method: str,
    dataset: str,
    arch: str | None = None,
    overrides: Sequence[str] = (),
    preset: Mapping[str, Any] = recipes.NONE,
) -> TrainingRecipe:
    """`recipes.load`, with what the data set states and the network declares in place of the recipe's.

    dataset: a catalogue name. Raises: UsageError; also where the network's own weights are asked for and it has none.
    """
    entry = data.INDEX.find(dataset)
    given = {*preset, *(text.partition("=")[0].strip() for text in overrides)}
    own = usual(method, entry, arch, given)
    arch = settled(arch or entry.arch).removeprefix(TORCHVISION) if arch or entry.arch else None
    declares = arch is not None and arch.startswith(DECLARING)
    own += settings(arch) if arch is not None and declares else []
    if declares:  # what the recipe says of this very network goes before what it declares
        constants = recipes.chosen_for(method, entry.name, arch, frozenset({"dataset", "arch"}))
        own = [setting for setting in own if setting[1] not in constants]
    if SIZE in given:
        own = [setting for setting in own if setting[1] != RESIZE]  # a side before the crop to another size
    recipe = recipes.load(method, entry.name, arch, overrides, preset, own=own)
    if recipe.model.init == OWN and not recipe.arch.startswith(BRINGING):
        raise UsageError(f"model.init = own is for a python: or hf: network, got {recipe.arch}; say imagenet or scratch.")
    return recipe


def usual(method: str, entry: data.DatasetEntry, arch: str | None, given: Set[str]) -> list[recipes.Setting]:
    """What a data set states of its trainings, where the method's recipe does not know it by name.

    given: the keys that the command sets. Raises: UsageError for a set of another package that leaves it open, since what a
    recipe says of a paper's data may be a day's work on this one.
    """
    if entry.name in data.INDEX.built_in:
        return []
    known = recipes.chosen_for(method, entry.name, arch or entry.arch or None)
    stated = {key: value for key, value in ((SIZE, entry.size), (BATCH, entry.batch_size)) if key not in known}
    missing = [f"--set {key}=N" for key, value in stated.items() if not value and key not in given]
    missing += [] if arch or entry.arch or known else ["--arch NAME"]
    if missing:
        raise UsageError(
            f"{method} on {entry.name}: expected its recipe to know the data set, or the entry to state arch, size and "
            f"batch_size, got neither; add them to the entry, or say {' '.join(missing)}."
        )
    return [(entry.name, key, value, "the data set's own entry") for key, value in stated.items() if value]


def settings(arch: str) -> list[recipes.Setting]:
    """What a network declares of its input, as settings of a recipe: its colours; its size where it has one, its view."""
    own = declared(arch)
    if not own.source:
        return []
    source = f"the network's own preprocessing ({own.source})"
    stated = own.settings | ({"normalisation": "imagenet"} if own.normalisation == DEFAULT else {})
    return [(arch, f"input.{k}", v, source) for k, v in stated.items() if own.sized or k not in ("size", "resize")]


def footnotes(recipe: TrainingRecipe, weights: str | None) -> list[str]:
    """What every table says of a run whose network brought its weights. weights: what it began from instead, if anything."""
    return ["Training began with the network's own weights"] if recipe.model.init == OWN and weights is None else []


@cache
def declared(arch: str) -> Preprocessing:
    """What a network declares of its input; it is made once for that."""
    return preprocessing_of(arch, create(arch))
