"""The methods of the ContrastiveCAM paper: where each constant comes from."""

from __future__ import annotations

import pytest

from cambench.data import INDEX
from cambench.recipes import load as recipes
from cambench.stages.training.own import load_recipe

PLACES = ("paper", "Hard-ImageNet's suite", "our choice", "not used", "the network's own preprocessing")
"""How a source begins. The paper's code is not public, so no constant of its methods is from "authors' code"."""
OWN = sorted(m for m in recipes.METHODS if recipes.word(m, "source").startswith(("ContrastiveCAM", "Hard-ImageNet's suite")))


def test_the_methods_are_those_of_the_papers_tables() -> None:
    tables = {"ce-adam", "ce-arch", "cfce", "rcfce", "ce-head", "corm", "bce", "bce-arch", "cfbce", "rcfbce"}
    assert set(OWN) >= tables | {"cutmix-cfce", "segment", "segment-frozen"}


@pytest.mark.parametrize("method", OWN)
def test_every_source_is_the_papers_or_ours(method: str) -> None:
    assert all(part.name in OWN for part in recipes.lineage(method)), "nothing is inherited from another paper's method"
    for dataset in INDEX:
        for arch in (None, "resnet50", "resnet8"):
            for key, source in load_recipe(method, dataset, arch).sources.items():
                assert source.startswith(PLACES), f"{method} on {dataset} with {arch}: {key}: {source}"
                assert "authors' code" not in source and "script" not in source, f"{method}: {key}: {source}"
