"""Experiments: `experiments.toml`, claims that are tested together and the data sets on which they are."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from cambench.lookup import canonical
from cambench.recipes.schema import Strict


class Experiment(Strict):
    """What is to be measured. `claims`: ids or papers; `on`: data sets, each for itself."""

    summary: str
    claims: list[str]
    on: list[str]


@cache
def experiments() -> dict[str, Experiment]:
    """Every experiment by name."""
    text = (files("cambench.recipes") / "experiments.toml").read_text(encoding="utf-8")
    return {name: Experiment(**facts) for name, facts in tomllib.loads(text).items()}


def asked(names: Sequence[str], on: str | None) -> list[tuple[str, str | None]]:
    """Each claim or paper that is meant, with the data set that it is tested on; None for the paper's own.

    names: experiments, papers, ids of claims, files. on: instead of an experiment's own data sets.
    """
    pairs: list[tuple[str, str | None]] = []
    for name in names:
        known = experiments().get(canonical(name))
        if known is None:
            pairs.append((name, on))
        else:
            pairs += [(claim, dataset) for dataset in ([on] if on else known.on) for claim in known.claims]
    return list(dict.fromkeys(pairs))
