"""Supervised contrastive learning: two random views an image, through encoder and projection head (ExCon protocol §1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from cambench.losses.supcon import supcon_loss
from cambench.objectives.network import Network, Terms
from cambench.recipes.schema import Strict
from cambench.vocabulary import Batch


class Settings(Strict):
    """τ (`temperature`) and τ0 (`base_temperature`), whose quotient scales the loss."""

    temperature: float = Field(gt=0)
    base_temperature: float = Field(gt=0)


def embed(network: Network, columns: Sequence[Tensor]) -> Tensor:
    """V columns of views (M,3,H,W), one column after the other in a single batch -> unit vectors (M,V,128) in float32."""
    return torch.stack(network.embedding(torch.cat(list(columns))).chunk(len(columns)), 1)


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = SupCon of (r1, r2), two random views of every image; one forward pass, which gives the classifier no gradient.

    Source: ExCon eq. 2; order of the views, scaling: authors' code (ExCon protocol §1.2, §1.3).
    """
    features = embed(network, [batch.views["first"], batch.views["second"]])
    yield supcon_loss(features, batch.label, settings.temperature, settings.base_temperature)
    return {}
