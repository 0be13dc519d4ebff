"""ACoL: two classifiers on the same features, of which the second is given what the first leaves (rivals protocol §3)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn

from cambench.explainers.acol import FEATURES, FIRST
from cambench.explainers.cam import class_scores
from cambench.losses.acol import erase
from cambench.losses.cross_entropy import cross_entropy
from cambench.maps import widened
from cambench.models.acol import AcolHead, acol_part
from cambench.models.heads import find_head
from cambench.objectives.cross_entropy import accuracy
from cambench.objectives.network import Network, Terms
from cambench.recipes.strict import Strict
from cambench.vocabulary import Batch, UsageError


class Settings(Strict):
    """θ (`threshold`): what the first classifier's map, scaled by min-max, reaches is erased for the second."""

    threshold: float = Field(ge=0, le=1)


def parts(model: nn.Module) -> tuple[str, AcolHead, nn.Linear]:
    """The two classifiers with their name, and the first one's last layer. Raises: UsageError where there are none."""
    name = acol_part(model)
    if name is None:
        raise UsageError(
            "objective acol: expected a network with two classifiers (model.surgery acol-head), got one without."
        )
    head, linear = model.get_submodule(name), model.get_submodule(find_head(model) or "")
    assert isinstance(head, AcolHead) and isinstance(linear, nn.Linear)
    return name, head, linear


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = CE(GAP f^A, y) + CE(GAP f^B, y), B on the features that A's map of the label leaves; means over the batch.

    Source: Zhang et al. 2018, ACoL; WSOL benchmark, its code (rivals protocol §3). No gradient runs through the erasure; B
    reaches the trunk through what is left. Logs B's accuracy and the share of images whose map of A is constant.
    """
    image, label = batch.views["crop"], batch.label
    name, head, linear = parts(network.model)
    head.threshold.fill_(settings.threshold)
    logits, (features, convolved) = network.activations(image, (f"{name}.{FEATURES}", f"{name}.{FIRST}"))
    with torch.no_grad():
        scores = class_scores(convolved, linear.weight, label)
    with network.autocast(image):
        second = head.second(erase(features, scores, settings.threshold))
    others = widened(second).mean((2, 3))
    yield cross_entropy(logits, label) + cross_entropy(others, label)
    constant = (scores.amax((1, 2)) == scores.amin((1, 2))).float().mean()
    return {"accuracy": accuracy(logits, label), "second_accuracy": accuracy(others, label), "constant_maps": constant}
