"""What the plan reckons a training step to cost is what it takes, by the operations counted in it."""

from __future__ import annotations

import pytest

from benchmarks.costs import counted
from cambench.recipes.load import METHODS, word

ONE = {word(method, "objective"): method for method in reversed(list(METHODS)) if method != "segment"}
"""Objective -> one of its methods. A segmentation head above a small network costs more than the network."""


@pytest.mark.parametrize("method", sorted({*ONE.values(), "exconb", "ce-head"}))
def test_passes_are_those_of_the_step(method: str) -> None:
    cost = counted(method)
    assert cost.operations == pytest.approx(cost.planned, rel=0.15), f"say passes = {cost.operations:.1f}"
