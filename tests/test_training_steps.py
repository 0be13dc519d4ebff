"""The benchmark of training steps: a method's floor passes the pixels of its step, to a gradient of the same parameters."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.pairs import Times, keep, save, total
from benchmarks.training_steps import OURS, PASSES, case_of, floor, steps
from cambench.objectives import INDEX
from cambench.recipes.load import METHODS
from cambench.stages.training.learning import learning
from cambench.vocabulary import UsageError


@pytest.mark.parametrize("method", METHODS)
def test_a_floor_has_the_pixels_and_the_gradients_of_its_step(method: str, tmp_path: Path) -> None:
    case = case_of(method, "resnet8", 32, 4)
    first = next(m for m in case.network.model.modules() if isinstance(m, nn.Conv2d))
    pixels: Counter[bool] = Counter()

    def count(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        pixels[torch.is_grad_enabled()] += inputs[0].numel()

    first.register_forward_pre_hook(count)
    passed, learning_parameters = {}, {}
    with learning(case.network.model, case.recipe.model.frozen or case.objective.frozen):
        contestants = steps(case, tmp_path)
        for name in (PASSES, OURS):
            pixels.clear()
            contestants[name]()
            passed[name] = dict(pixels)
            learning_parameters[name] = [key for key, p in case.network.model.named_parameters() if p.grad is not None]
    assert passed[PASSES] == passed[OURS] and passed[PASSES]
    assert learning_parameters[PASSES] == learning_parameters[OURS] and learning_parameters[PASSES]


def test_an_objective_of_other_passes_needs_a_floor_of_its_own() -> None:
    with pytest.raises(UsageError, match="objective ce: expected its passes among FLOORS of benchmarks.training_steps"):
        floor(replace(INDEX["ce"], passes=6))


def test_a_saved_table_has_the_median_of_the_ratios_of_each_round(tmp_path: Path) -> None:
    times = {"floor": Times((1.0, 2.0, 4.0), (1.0, 1.0, 1.0)), "ours": Times((3.0, 2.0, 2.0), (1.1, 1.2, 0.5))}
    save(tmp_path / "new" / "x.csv", {"a case": {**times, "other": times["floor"]}}, "floor", {"ours": 1.05})
    assert (tmp_path / "new" / "x.csv").read_text().splitlines() == [
        "what,contestant,floor,seconds,floor_seconds,ratio,cpu_ratio,target,rounds",
        "a case,ours,floor,2.0000,2.0000,1.000,1.100,1.05,3",
        "a case,other,floor,2.0000,2.0000,1.000,1.000,,3",
    ]


def test_a_table_is_kept_beside_those_of_other_titles(tmp_path: Path) -> None:
    file, one, two = tmp_path / "new" / "x.csv", Times((1.0, 1.0), (1.0, 1.0)), Times((2.0, 2.0), (3.0, 3.0))
    keep(file, "a", {"floor": one, "ours": two}, "floor", {"ours": 1.5})
    keep(file, "b", {"base": one, "ours": one}, "base", {})
    keep(file, "a", {"floor": two, "ours": one}, "floor", {})
    header, *lines = file.read_text().splitlines()
    assert header == "what,contestant,floor,seconds,floor_seconds,ratio,cpu_ratio,target,rounds,threads,load"
    assert [line.rsplit(",", 2)[0] for line in lines] == [
        "b,ours,base,1.0000,1.0000,1.000,1.000,,2",
        "a,ours,floor,1.0000,2.0000,0.500,0.333,,2",
    ]


def test_times_add_up_round_by_round() -> None:
    assert total(Times((1.0, 2.0), (3.0, 4.0)), Times((0.5, 0.25), (1.0, 2.0))) == Times((1.5, 2.25), (4.0, 6.0))
