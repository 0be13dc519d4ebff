"""Semantic segmentation on a classifier's features: what its training is worth downstream (ContrastiveCAM protocol §3)."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from cambench.models.segmentation import segment
from cambench.objectives.cfce import regions_of
from cambench.objectives.cross_entropy import Settings
from cambench.objectives.network import Network, Terms
from cambench.vocabulary import Batch


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """Cross-entropy of every pixel over the classes and the background, mean over pixels and images.

    Source: ContrastiveCAM protocol §3. Pixels that show no class are background, channel 0.
    """
    image, regions = batch.views["crop"], regions_of(batch)
    with network.autocast(image):
        scores = segment(network.model, network.layer, image)
    target = (regions + 1).clamp(min=0).to(scores.device)
    yield cross_entropy(scores.float(), target)
    return {"pixel_accuracy": (scores.detach().argmax(1) == target).float().mean()}
