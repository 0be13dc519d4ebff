"""Supervised contrastive learning (Khosla et al. 2020), as ExCon takes it: views of one class together, all others apart.

Everything here runs in at least float32, under autocast too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cambench.maps import widened
from cambench.vocabulary import UsageError


def anchor_terms(anchors: Tensor, entries: Tensor, positive: Tensor, allowed: Tensor, temperature: float) -> Tensor:
    """What each anchor costs: L_i = log Σ_{a allowed} e^{⟨e_i,e_a⟩/τ} − mean_{p positive} ⟨e_i,e_p⟩/τ.

    Source: ExCon eq. 2 and 3, one term of the outer sum. The sum runs in logarithms with its largest term subtracted.
    anchors (M,D), entries (A,D), positive and allowed (M,A) bool, at least one of each a row -> (M,) in nats.
    """
    with torch.autocast(anchors.device.type, enabled=False):
        similarity = widened(anchors) @ widened(entries).T / temperature
        others = similarity.masked_fill(~allowed, -torch.inf).logsumexp(1)
        return others - torch.where(positive, similarity, 0.0).sum(1) / positive.sum(1)


def contrast(features: Tensor, labels: Tensor, background: Tensor, temperature: float) -> Tensor:
    """The terms of all N·V anchors, view by view, the background being in their denominators alone.

    features (N,V,D), labels (N,), background (B,V',D), which may be none at all -> (V·N,) in nats.
    Raises: UsageError for shapes that do not fit, or fewer than two views.
    """
    check(features, labels, background)
    views = features.shape[1]
    anchors = features.transpose(0, 1).flatten(0, 1)
    entries = torch.cat([anchors, background.transpose(0, 1).flatten(0, 1)])
    own = torch.arange(len(entries), device=features.device) == torch.arange(len(anchors), device=features.device)[:, None]
    kind = labels.repeat(views)
    same = torch.zeros_like(own)
    same[:, : len(anchors)] = kind[:, None] == kind
    return anchor_terms(anchors, entries, same & ~own, ~own, temperature)


def supcon_loss(features: Tensor, labels: Tensor, temperature: float = 0.1, base_temperature: float = 0.07) -> Tensor:
    """Every view is drawn to all views of its class, from among all others of the batch.

    L = (τ/τ0)·mean_i −1/|P(i)| Σ_{p∈P(i)} log( e^{⟨e_i,e_p⟩/τ} / Σ_{a≠i} e^{⟨e_i,e_a⟩/τ} ), i over all N·V views
    Source: ExCon eq. 2 (a sum there); the mean and the factor τ/τ0 are the authors' code (ExCon protocol §1.2).
    features (N,V,D), each of unit length, V ≥ 2; labels (N,) -> ().
    Raises: UsageError for other shapes.
    """
    return contrast(features, labels, features[:0], temperature).mean() * (temperature / base_temperature)


def check(features: Tensor, labels: Tensor, background: Tensor) -> None:
    """Raises: UsageError unless features (N,V,D) with V ≥ 2, labels (N,) and background (B,V',D) fit together."""
    shapes = f"{tuple(features.shape)}, {tuple(labels.shape)} and {tuple(background.shape)}"
    fits = features.ndim == background.ndim == 3 and labels.shape == features.shape[:1]
    if not fits or features.shape[1] < 2 or features.shape[2] != background.shape[2]:
        raise UsageError(
            f"contrastive loss: expected features (N,V,D) of at least two views, labels (N,) and a background (B,V,D), "
            f"got {shapes}."
        )
