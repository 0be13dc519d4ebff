"""Rankings: `cambench rank --preset NAME` measures what `rankings.toml` lists, once and for all that it ranks."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from cambench.lookup import find
from cambench.recipes.strict import Strict


class RankingRecipe(Strict):
    """What is measured. `images`: at most so many, evenly spaced, None for all."""

    summary: str
    explainers: list[str]
    metrics: list[str]
    images: int | None = None


@cache
def recipes() -> dict[str, RankingRecipe]:
    """Every preset by name."""
    text = (files("cambench.recipes") / "rankings.toml").read_text(encoding="utf-8")
    return {name: RankingRecipe(**facts) for name, facts in tomllib.loads(text).items()}


def preset(name: str) -> RankingRecipe:
    """The preset of a name. Raises: UsageError naming the nearest presets."""
    return find(name, recipes(), "preset of rank")
