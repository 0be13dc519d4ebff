"""Supervised contrastive learning: two random views an image, through encoder and projection head (ExCon protocol §1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cambench.losses.supcon import Mode, supcon_loss
from cambench.objectives import shares
from cambench.objectives.network import Network, Terms
from cambench.recipes.strict import Strict
from cambench.vocabulary import Batch


class Settings(Strict):
    """τ (`temperature`) and τ0 (`base_temperature`), whose quotient scales the loss.

    `contrast_mode`: whose views are anchors, all or the first of each image. `positives`: what a view is drawn to, the views
    of its class, or its own image's other view alone, which is SimCLR's loss.
    """

    temperature: float = Field(gt=0)
    base_temperature: float = Field(gt=0)
    contrast_mode: Mode = "all"
    positives: Literal["class", "image"] = "class"

    def kinds(self, labels: Tensor) -> Tensor:
        """What the images are of, to the loss: (N,) labels -> (N,)."""
        return labels if self.positives == "class" else torch.arange(len(labels), device=labels.device)


def embed(network: Network, columns: Sequence[Tensor]) -> Tensor:
    """V columns of views (M,3,H,W), one column after the other in a single batch -> unit vectors (M,V,128) in float32."""
    return torch.stack(network.embedding(torch.cat(list(columns))).chunk(len(columns)), 1)


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = SupCon of (r1, r2), two random views of every image; one forward pass, which gives the classifier no gradient.

    Source: ExCon eq. 2; order of the views, scaling: authors' code (ExCon protocol §1.2, §1.3).
    """
    features = shares.gathered(embed(network, [batch.views["first"], batch.views["second"]]), batch)
    kinds, mode = settings.kinds(shares.gathered(batch.label, batch)), settings.contrast_mode
    yield supcon_loss(features, kinds, settings.temperature, settings.base_temperature, mode=mode)
    return {}
