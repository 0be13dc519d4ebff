"""Optimiser and learning rate, from the recipe."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import nn

from cambench.lookup import nearest
from cambench.models.heads import head_module
from cambench.models.strides import last_stage
from cambench.recipes.schema import Optimizer, Schedule
from cambench.vocabulary import UsageError

HEAD, TRUNK, LAST_STAGE = "head", "trunk", "last-stage"
"""The groups that every network has, by its structure."""


def build(model: nn.Module, recipe: Optimizer) -> torch.optim.Optimizer:
    """SGD or Adam over all parameters, batch norm included (CGC protocol §1.7: weight decay on all parameters)."""
    parameters = groups(model, recipe)
    if recipe.name == "sgd":
        sgd = {"momentum": recipe.momentum, "nesterov": recipe.nesterov}
        return torch.optim.SGD(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, **sgd)  # type: ignore[arg-type]
    return torch.optim.Adam(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)


def groups(model: nn.Module, recipe: Optimizer) -> list[dict[str, Any]]:
    """The parameters with their first learning rate, those without a group of their own first.

    Raises: UsageError naming a group that fits no module.
    """
    parts = [part(model, name) for name in recipe.groups]
    rates = {p.key: group.rate(recipe.lr) for p, group in zip(parts, recipe.groups.values(), strict=True)}
    members: dict[str, list[nn.Parameter]] = {"": [], **{p.key: [] for p in parts}}
    for key, parameter in model.named_parameters():
        owner = max((p for p in parts if key in p.parameters), key=lambda p: p.rank, default=None)
        members["" if owner is None else owner.key].append(parameter)
    rates = {"": recipe.lr, **rates}
    return [{"params": group, "lr": rates[n], "initial_lr": rates[n]} for n, group in members.items() if group]


class Part(NamedTuple):
    """What a group means: its key, the names of its parameters, and its rank where groups overlap (the highest decides)."""

    key: str
    parameters: set[str]
    rank: int


def part(model: nn.Module, name: str) -> Part:
    """The parameters of a group: `head`, `trunk`, `last-stage`, or a module by its name.

    `head`: the classifier, or CALM's head. `trunk`: all others. `last-stage`: of those, what runs from the last reduction of
    the map on (layer4 of a ResNet). Where groups overlap the longest module name decides, then `last-stage`, then `trunk`.
    Raises: UsageError for a name that fits no module, or a network without reductions.
    """
    keys, head = [key for key, _ in model.named_parameters()], head_module(model)
    if name == TRUNK:
        return Part(name, {key for key in keys if head is None or not key.startswith(f"{head}.")}, 0)
    if name == LAST_STAGE:
        stage = last_stage(model)
        if not stage:
            raise UsageError(
                f"optimizer.groups: {name} is what runs from the last convolution or pooling with a stride on; this network "
                "has none, so name its modules."
            )
        return Part(name, stage, 1)
    module = head if name == HEAD else name
    known = [n for n, m in model.named_modules() if n and any(True for _ in m.parameters())]
    if module is None or module not in known:
        raise UsageError(f"optimizer.groups: {nearest(name, [HEAD, TRUNK, LAST_STAGE, *known], 'module')}")
    return Part(module, {key for key in keys if key.startswith(f"{module}.")}, 2 + len(module))


def learning_rate(recipe: Schedule, base: float, *, step: int, steps: int, epochs: int) -> float:
    """The rate of a step, counted from 0 over all epochs, with `steps` steps an epoch.

    warm-up: base·(step + 1)/(warmup·steps) · step: base·γ^⌊epoch/recipe.step⌋, constant inside an epoch · step-before:
    base·γ^⌊(epoch + 1)/recipe.step⌋ (CALM protocol §1.6) · multistep: base·γ^(milestones that are ≤ epoch, counted from 0) ·
    cosine: low + (base − low)·(1 + cos π u)/2, low = floor·base, u
    the share of the steps after the warm-up · cosine-by-epoch: the same with u = e/E, the share of the epochs after the
    warm-up, counted from 1 (ExCon protocol §1.6: the last epoch has the lowest rate, none the base rate). A pure function of
    the step, so there is no scheduler state to save.
    """
    warmup, epoch = recipe.warmup_epochs * steps, step // steps
    if step < warmup:
        return base * (step + 1) / warmup
    if recipe.name in ("step", "step-before"):
        return base * recipe.gamma ** ((epoch + (recipe.name == "step-before")) // recipe.step)
    if recipe.name == "multistep":
        return base * recipe.gamma ** sum(milestone <= epoch for milestone in recipe.milestones)
    if recipe.name == "cosine-by-epoch":
        share = (epoch + 1 - recipe.warmup_epochs) / (epochs - recipe.warmup_epochs)
    else:
        share = (step - warmup) / max(epochs * steps - warmup, 1)
    low = recipe.floor * base
    return low + (base - low) * (1 + math.cos(math.pi * share)) / 2
