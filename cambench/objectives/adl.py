"""Attention-based dropout: plain classification by a network that hides from itself what it looks at most."""

from __future__ import annotations

import torch
from pydantic import Field

from cambench.models.adl import AttentionDropout
from cambench.objectives.cross_entropy import classify
from cambench.objectives.network import Network, Terms
from cambench.recipes.strict import Strict
from cambench.vocabulary import Batch, UsageError


class Settings(Strict):
    """`drop_rate`: how often a layer drops instead of weighing; γ (`threshold`): from what share of the maximum on."""

    drop_rate: float = Field(ge=0, le=1)
    threshold: float = Field(ge=0, le=1)


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = CE(f(x), y), mean over the batch, f with attention dropout. Source: Choe and Shim 2019, §3.

    Raises: UsageError for a network without it.
    """
    layers = [module for module in network.model.modules() if isinstance(module, AttentionDropout)]
    if not layers:
        raise UsageError("objective adl: expected a network with attention dropout (model.surgery adl), got one without.")
    for layer in layers:
        layer.drop_rate, layer.threshold = settings.drop_rate, settings.threshold
    return classify(network, batch.views["crop"], batch.label)
