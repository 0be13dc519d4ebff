"""CGC with few labels: cross-entropy of labelled images, consistent heatmaps of unlabelled ones (CGC protocol §1.8)."""

from __future__ import annotations

import torch

from cambench.losses.cross_entropy import cross_entropy
from cambench.objectives.cgc import Consistency, consistency
from cambench.objectives.cross_entropy import accuracy
from cambench.objectives.network import Network, Terms
from cambench.vocabulary import Batch, UsageError


def step(settings: Consistency, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = CE(f(x_crop), y) over the labelled images + λ·L_CGC over the unlabelled ones.

    Source: CGC §4.3, authors' code. Forward passes in the order x_crop, x, T(x).
    Raises: UsageError for a batch without unlabelled images.
    """
    if batch.unlabelled is None:
        raise UsageError("objective cgc-semi: expected unlabelled images beside the labelled ones, got none.")
    logits = network.logits(batch.views["crop"])
    ce = cross_entropy(logits, batch.label)
    yield ce
    loss, _, _ = consistency(settings, network, batch.unlabelled, generator)
    yield settings.weight * loss
    return {"ce": ce.detach(), "consistency": loss.detach(), "accuracy": accuracy(logits, batch.label)}
