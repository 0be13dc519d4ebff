"""Plain classification."""

from __future__ import annotations

import torch
from torch import Tensor

from cambench.losses.cross_entropy import cross_entropy
from cambench.objectives.network import Network, Terms
from cambench.recipes.strict import Strict
from cambench.vocabulary import Batch


class Settings(Strict):
    """There are none; also of other objectives without settings."""


def accuracy(logits: Tensor, label: Tensor) -> Tensor:
    """Share of the batch whose best class is the label."""
    return (logits.detach().argmax(1) == label).float().mean()


def classify(network: Network, image: Tensor, label: Tensor) -> Terms:
    """L = CE(f(x), y), mean over the batch: image (N,3,H,W), label (N,)."""
    logits = network.logits(image)
    yield cross_entropy(logits, label)
    return {"accuracy": accuracy(logits, label)}


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = CE(f(x_crop), y), mean over the batch. Source: CGC protocol §1.6."""
    return classify(network, batch.views["crop"], batch.label)
