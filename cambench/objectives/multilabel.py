"""Several labels an image: binary cross-entropy of every class, and its core-focused form with or without the KL term."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from cambench.losses.cfce import cfbce, logits, positive_divergence
from cambench.maps import classes_on_grid
from cambench.objectives import cfce, cross_entropy
from cambench.objectives.network import Network, Terms
from cambench.vocabulary import Batch, UsageError


def targets_of(batch: Batch) -> Tensor:
    """The batch's targets (N,C). Raises: UsageError for a batch of one label an image."""
    if batch.targets is None:
        raise UsageError("a binary loss: expected a multi-label data set, got one label an image; use ce-adam or cfce.")
    return batch.targets


def decided(scores: Tensor, targets: Tensor) -> Tensor:
    """Share of all decisions, class by class, that are right."""
    return ((scores.detach() > 0) == (targets > 0)).float().mean()


def bce_step(settings: cross_entropy.Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = mean over images and classes of the binary cross-entropy. Source: ContrastiveCAM protocol §3, SBD."""
    targets, scores = targets_of(batch), network.logits(batch.views["crop"])
    yield binary_cross_entropy_with_logits(scores, targets.to(scores.dtype))
    return {"decisions": decided(scores, targets)}


def step(settings: cfce.Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = mean_i [ CFBCE_i + λ1/‖y‖₁·Σ_c y_c KL( σ(λ2·H_c) ‖ σ(λ3·CAM_c) ) ].

    A class that is there but not in the crop counts without a mask, as an empty H does in CFCE: H_c = 1, no KL, and ‖y‖₁
    counts the others (ours).
    Source: ContrastiveCAM eq. 71, 72.
    """
    regions, targets = cfce.regions_of(batch), targets_of(batch)
    maps, bias = network.class_maps(batch.views["crop"])
    size = (maps.shape[2], maps.shape[3])
    masks = classes_on_grid(regions, maps.shape[1], size)  # H_c of every class: (N,C,h,w)
    there = targets > 0
    mask, known, _ = cfce.core(masks.flatten(0, 1))
    mask, known = mask.view_as(masks), known.view_as(there)
    count = there.sum().clamp(min=1)
    values = {
        "empty_masks": (there & ~known).sum() / count,
        "full_masks": (there & masks.flatten(2).all(2)).sum() / count,
    }
    loss = cfbce(maps, targets, mask, bias).mean()
    values["cfbce"] = loss.detach()
    if settings.kl:
        kl = positive_divergence(maps, (there & known).float(), mask, settings.lambda2, settings.lambda3).mean()
        loss, values["kl"] = loss + settings.kl * kl, kl.detach()
    yield loss
    return {**values, "decisions": decided(logits(maps, bias), targets)}
