"""Core-focused cross-entropy, with or without its KL term, from the class maps of a GAP + linear head."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cambench.losses.cfce import cfce, contrastive_divergence, logits
from cambench.maps import on_grid
from cambench.objectives.cross_entropy import accuracy
from cambench.objectives.network import Network, Terms
from cambench.recipes.strict import Strict
from cambench.vocabulary import Batch, UsageError


class Settings(Strict):
    """λ1 (`kl`, 0 leaves the term out), λ2 (of the mask), λ3 (of the map), and how a mask comes onto the maps' grid."""

    kl: float = Field(ge=0)
    lambda2: float = Field(gt=0)
    lambda3: float = Field(gt=0)
    grid: Literal["max"]


def regions_of(batch: Batch) -> Tensor:
    """The batch's regions. Raises: UsageError for a batch without any."""
    if batch.regions is None:
        raise UsageError("an objective with masks: expected masks, got none; name their source with --set data.masks=….")
    return batch.regions


def core(mask: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """H as the losses take it, where it was not empty, and the shares of empty and of full masks, to be logged.

    An empty H would only ask to shrink all maps: it becomes all ones, which is plain cross-entropy, and gets no KL term
    (ContrastiveCAM protocol §7.1). mask (N,h,w) bool -> (N,h,w), (N,), values.
    """
    known = mask.flatten(1).any(1)
    full = mask.flatten(1).all(1)
    values = {"empty_masks": (~known).float().mean(), "full_masks": full.float().mean()}
    return mask | ~known[:, None, None], known, values


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = mean_i [ CFCE_i + λ1/(C − 1)·Σ_{c≠t} KL( σ(λ2·H) ‖ σ(λ3·D_(t,c)) ) ]; no KL where the crop shows no object.

    Source: ContrastiveCAM eq. 15, 18.
    """
    regions = regions_of(batch)
    maps, bias = network.class_maps(batch.views["crop"])
    mask, known, values = core(on_grid(regions == batch.label[:, None, None], (maps.shape[2], maps.shape[3])))
    loss = cfce(maps, batch.label, mask, bias).mean()
    values["cfce"] = loss.detach()
    if settings.kl:
        kl = contrastive_divergence(maps, batch.label, mask, settings.lambda2, settings.lambda3)
        kl = torch.where(known, kl, 0.0).mean()
        loss, values["kl"] = loss + settings.kl * kl, kl.detach()
    yield loss
    return {**values, "accuracy": accuracy(logits(maps, bias), batch.label)}
