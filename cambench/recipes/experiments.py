"""Experiments: `experiments.toml`, claims that are tested together and the data sets on which they are."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from cambench.lookup import canonical
from cambench.recipes.strict import Strict


class Experiment(Strict):
    """What is to be measured. `claims`: ids or papers; `on`: data sets, each for itself.

    `layer`: the one that is explained where a claim is about explanations, "" for the last stage.
    """

    summary: str
    claims: list[str]
    on: list[str]
    layer: str = ""


class Asked(NamedTuple):
    """A claim or paper by name, the data set that it is tested on (None: its own), the explained layer ("": the last)."""

    name: str
    on: str | None
    layer: str = ""


@cache
def experiments() -> dict[str, Experiment]:
    """Every experiment by name."""
    text = (files("cambench.recipes") / "experiments.toml").read_text(encoding="utf-8")
    return {name: Experiment(**facts) for name, facts in tomllib.loads(text).items()}


def asked(names: Sequence[str], on: str | None) -> list[Asked]:
    """Every claim or paper that is meant.

    names: experiments, papers, ids of claims, files. on: in place of an experiment's own data sets and their layer.
    """
    made: list[Asked] = []
    for name in names:
        known = experiments().get(canonical(name))
        if known is None:
            made.append(Asked(name, on))
        else:
            layer, places = ("", [on]) if on else (known.layer, known.on)
            made += [Asked(claim, place, layer) for place in places for claim in known.claims]
    return list(dict.fromkeys(made))
