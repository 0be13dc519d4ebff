"""The benchmark of training steps: every method has a floor that passes as many pixels through the network as its step."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.training_steps import FLOOR, OURS, case_of, floor, steps
from cambench.objectives import INDEX
from cambench.recipes.load import METHODS
from cambench.stages.training.loop import learning
from cambench.vocabulary import UsageError


@pytest.mark.parametrize("method", METHODS)
def test_a_floor_has_the_pixels_of_its_step(method: str, tmp_path: Path) -> None:
    case = case_of(method, "resnet8", 32, 4)
    first = next(m for m in case.network.model.modules() if isinstance(m, nn.Conv2d))
    pixels: Counter[bool] = Counter()

    def count(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        pixels[torch.is_grad_enabled()] += inputs[0].numel()

    first.register_forward_pre_hook(count)
    passed = {}
    with learning(case.network.model, case.recipe.model.frozen or case.objective.frozen):
        contestants = steps(case, tmp_path)
        for name in (FLOOR, OURS):
            pixels.clear()
            contestants[name]()
            passed[name] = dict(pixels)
    assert passed[FLOOR] == passed[OURS] and passed[FLOOR]
    assert any(p.grad is not None and bool(p.grad.any()) for p in case.network.model.parameters())


def test_an_objective_of_other_passes_needs_a_floor_of_its_own() -> None:
    with pytest.raises(UsageError, match="objective ce: expected its passes among FLOORS of benchmarks.training_steps"):
        floor(replace(INDEX["ce"], passes=6))
