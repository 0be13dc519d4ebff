"""Optimiser and learning rate, from the recipe."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from cambench.lookup import nearest
from cambench.models.heads import find_head
from cambench.recipes.schema import Optimizer, Schedule
from cambench.vocabulary import UsageError

HEAD = "head"


def build(model: nn.Module, recipe: Optimizer) -> torch.optim.Optimizer:
    """SGD or Adam over all parameters, batch norm included (spec: weight decay on all parameters)."""
    parameters = groups(model, recipe)
    if recipe.name == "sgd":
        sgd = {"momentum": recipe.momentum, "nesterov": recipe.nesterov}
        return torch.optim.SGD(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, **sgd)  # type: ignore[arg-type]
    return torch.optim.Adam(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)


def groups(model: nn.Module, recipe: Optimizer) -> list[dict[str, Any]]:
    """The parameters with their first learning rate, those without a group of their own first.

    Raises: UsageError naming a group that fits no module.
    """
    rates = {prefix(model, name): group.rate(recipe.lr) for name, group in recipe.groups.items()}
    members: dict[str, list[nn.Parameter]] = {"": [], **{name: [] for name in rates}}
    for key, parameter in model.named_parameters():
        owners = [name for name in rates if key.startswith(f"{name}.")]
        members[max(owners, key=len, default="")].append(parameter)
    rates = {"": recipe.lr, **rates}
    return [{"params": found, "lr": rates[n], "initial_lr": rates[n]} for n, found in members.items() if found]


def prefix(model: nn.Module, name: str) -> str:
    """The module that a group means; `head` is the classifier, whatever its name."""
    module = find_head(model) if name == HEAD else name
    known = [n for n, m in model.named_modules() if n and any(True for _ in m.parameters())]
    if module is None or module not in known:
        raise UsageError(f"optimizer.groups: {nearest(name, [HEAD, *known], 'module')}")
    return module


def learning_rate(recipe: Schedule, base: float, *, step: int, steps: int, epochs: int) -> float:
    """The rate of a step, counted from 0 over all epochs, with `steps` steps an epoch.

    warm-up: base·(step + 1)/(warmup·steps) · step: base·γ^⌊epoch/recipe.step⌋, constant inside an epoch · multistep:
    base·γ^(milestones that are ≤ epoch, counted from 0) · cosine: low + (base − low)·(1 + cos π u)/2, low = floor·base, u
    the share of the steps after the warm-up · cosine-by-epoch: the same with u = e/E, the share of the epochs after the
    warm-up, counted from 1 (ExCon spec §1.6: the last epoch has the lowest rate, none the base rate). A pure function of
    the step, so there is no scheduler state to save.
    """
    warmup, epoch = recipe.warmup_epochs * steps, step // steps
    if step < warmup:
        return base * (step + 1) / warmup
    if recipe.name == "step":
        return base * recipe.gamma ** (epoch // recipe.step)
    if recipe.name == "multistep":
        return base * recipe.gamma ** sum(milestone <= epoch for milestone in recipe.milestones)
    if recipe.name == "cosine-by-epoch":
        share = (epoch + 1 - recipe.warmup_epochs) / (epochs - recipe.warmup_epochs)
    else:
        share = (step - warmup) / max(epochs * steps - warmup, 1)
    low = recipe.floor * base
    return low + (base - low) * (1 + math.cos(math.pi * share)) / 2
