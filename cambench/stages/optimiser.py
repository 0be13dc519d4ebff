"""Optimiser and learning rate, from the recipe."""

from __future__ import annotations

import math

import torch
from torch import nn

from cambench.recipes.schema import Optimizer, Schedule


def build(model: nn.Module, recipe: Optimizer) -> torch.optim.Optimizer:
    """SGD or Adam over all parameters, batch norm included (spec: weight decay on all parameters)."""
    if recipe.name == "sgd":
        sgd = {"momentum": recipe.momentum, "nesterov": recipe.nesterov}
        return torch.optim.SGD(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, **sgd)  # type: ignore[arg-type]
    return torch.optim.Adam(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)


def learning_rate(recipe: Schedule, base: float, *, step: int, steps: int, epochs: int) -> float:
    """The rate of a step, counted from 0 over all epochs, with `steps` steps an epoch.

    warm-up: base·(step + 1)/(warmup·steps) · step: base·γ^⌊epoch/recipe.step⌋, constant inside an epoch · cosine:
    low + (base − low)·(1 + cos π u)/2, low = floor·base, u the share of the steps after the warm-up. A pure function of the
    step, so there is no scheduler state to save.
    """
    warmup = recipe.warmup_epochs * steps
    if step < warmup:
        return base * (step + 1) / warmup
    if recipe.name == "step":
        return base * recipe.gamma ** (step // steps // recipe.step)
    share = (step - warmup) / max(epochs * steps - warmup, 1)
    low = recipe.floor * base
    return low + (base - low) * (1 + math.cos(math.pi * share)) / 2
