"""SPG: side branches learn where the object is, from masks that the classifier's attention makes (rivals protocol §4)."""

from __future__ import annotations

from typing import Self

import torch
from pydantic import Field, model_validator
from torch import nn

from cambench.explainers.cam import class_scores
from cambench.losses.cross_entropy import cross_entropy
from cambench.losses.spg import IGNORED, guide, guided_loss
from cambench.maps import min_max, resize, widened
from cambench.models.heads import find_head
from cambench.models.spg import guidance_of
from cambench.objectives import shares
from cambench.objectives.cross_entropy import accuracy
from cambench.objectives.network import Network, Terms
from cambench.recipes.strict import Strict
from cambench.vocabulary import Batch, UsageError

SHARE = Field(ge=0, le=1)


class Settings(Strict):
    """Above `high` a mask is 1, below `low` 0: that of the attention for b2 (1), of b2 for b1 (2), of both for c (3)."""

    high1: float = SHARE
    low1: float = SHARE
    high2: float = SHARE
    low2: float = SHARE
    high3: float = SHARE
    low3: float = SHARE

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low1 > self.high1 or self.low2 > self.high2 or self.low3 > self.high3:
            raise ValueError("expected each low to be at most its high")
        return self


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = CE + BCE(b2, mask of A's attention) + BCE(b1, mask of σ(b2)) + BCE(c, mask of (σ(b1) + σ(b2))/2), weight 1 each.

    Everything at the image's size; A's attention is its map of the label between 0 and 1, 0 where it is constant. Every mask
    is a constant; gradients of the branches reach the trunk through what they read. Logs the share of the three masks'
    pixels that say something, how many masks say nothing at all, and the share of images whose attention is constant.
    Source: Zhang et al. 2018, SPG; WSOL benchmark, its code (rivals protocol §4.2).
    """
    image, label = batch.views["crop"], batch.label
    size = (image.shape[2], image.shape[3])
    guidance, linear = guidance_of(network.model), network.model.get_submodule(find_head(network.model) or "")
    if guidance is None or not isinstance(linear, nn.Linear):
        raise UsageError(
            "objective spg: expected a network with SPG's branches (model.surgery spg-branches), got one without."
        )
    logits, (of_b1, of_b2, of_c) = network.activations(image, guidance.sources)
    with network.autocast(image):
        branches = guidance(of_b1, of_b2, of_c)
    b1, b2, c = (resize(widened(branch[:, 0]), size) for branch in branches)
    with torch.no_grad():
        attention = resize(class_scores(of_c, linear.weight, label), size)
        sure1, sure2 = b1.sigmoid(), b2.sigmoid()
        masks = [
            guide(min_max(attention), settings.high1, settings.low1),
            guide(sure2, settings.high2, settings.low2),
            guide((sure1 + sure2) / 2, settings.high3, settings.low3),
        ]
    counts = [shares.fair_part((mask != IGNORED).sum(), batch) for mask in masks]
    of_branches = [guided_loss(*branch) for branch in zip((b2, b1, c), masks, counts, strict=True)]
    yield cross_entropy(logits, label) + torch.stack(of_branches).sum()
    constant = (attention.amax((1, 2)) == attention.amin((1, 2))).float().mean()
    guided = torch.stack([(mask != IGNORED).float().mean() for mask in masks])
    values = {"guided": guided.mean(), "unguided_branches": (guided == 0).float().sum(), "constant_maps": constant}
    return {"accuracy": accuracy(logits, label), **values}
