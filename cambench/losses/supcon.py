"""Supervised contrastive learning (Khosla et al. 2020), as ExCon takes it: views of one class together, all others apart.

Everything here runs in at least float32, under autocast too.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from cambench.maps import widened
from cambench.vocabulary import UsageError

Mode = Literal["all", "one"]
"""Whose views are anchors: all of them, or the first of each image."""


def anchor_terms(anchors: Tensor, entries: Tensor, positive: Tensor, allowed: Tensor, temperature: float) -> Tensor:
    """What each anchor costs: L_i = log Σ_{a allowed} e^{⟨e_i,e_a⟩/τ} − mean_{p positive} ⟨e_i,e_p⟩/τ.

    Source: ExCon eq. 2 and 3, one term of the outer sum. The sum runs in logarithms with its largest term subtracted.
    anchors (M,D), entries (A,D), positive and allowed (M,A) bool, at least one of each a row -> (M,) in nats.
    """
    with torch.autocast(anchors.device.type, enabled=False):
        similarity = widened(anchors) @ widened(entries).T / temperature
        others = similarity.masked_fill(~allowed, -torch.inf).logsumexp(1)
        return others - torch.where(positive, similarity, 0.0).sum(1) / positive.sum(1)


def contrast(
    features: Tensor,
    labels: Tensor,
    background: Tensor,
    temperature: float,
    *,
    mode: Mode = "all",
    background_anchor: bool = False,
) -> Tensor:
    """The terms of all N·V anchors, view by view, the background being in their denominators alone.

    mode `one`: the first views alone are anchors, among all entries. background_anchor: the background is a class of its
    own, whose entries are anchors and one another's positives, as the authors' code has it by default, against eq. 3 (ExCon
    protocol §7.10). features (N,V,D), labels (N,), background (B,V',D), which may be none at all -> (anchors,) in nats.
    Raises: UsageError for shapes that do not fit, fewer than two views, or anchors of the background in a single view.
    """
    check(features, labels, background, 2 if background_anchor else 1)
    n, b = (x.shape[0] * x.shape[1] for x in (features, background))
    entries = torch.cat([x.transpose(0, 1).flatten(0, 1) for x in (features, background)])
    place = torch.arange(n + b, device=features.device)
    kind = torch.cat([labels.repeat(features.shape[1]), labels.new_full((b,), -1)])
    first = len(features) if mode == "one" else n
    behind = (len(background) if mode == "one" else b) if background_anchor else 0
    anchors = torch.cat([place[:first], place[n : n + behind]])
    own = place == anchors[:, None]
    positive = (kind == kind[anchors, None]) & ~own
    return anchor_terms(entries[anchors], entries, positive, ~own, temperature)


def supcon_loss(
    features: Tensor, labels: Tensor, temperature: float = 0.1, base_temperature: float = 0.07, *, mode: Mode = "all"
) -> Tensor:
    """Every view is drawn to all views of its class, from among all others of the batch.

    L = (τ/τ0)·mean_i −1/|P(i)| Σ_{p∈P(i)} log( e^{⟨e_i,e_p⟩/τ} / Σ_{a≠i} e^{⟨e_i,e_a⟩/τ} ), i over all N·V views
    Source: ExCon eq. 2 (a sum there); the mean and the factor τ/τ0 are the authors' code (ExCon protocol §1.2). mode `one`:
    i over the N first views, which their code calls `contrast_mode`. With a label of its own for every image it is SimCLR's
    loss (Chen et al. 2020, eq. 1). features (N,V,D), each of unit length, V ≥ 2; labels (N,) -> ().
    Raises: UsageError for other shapes.
    """
    return contrast(features, labels, features[:0], temperature, mode=mode).mean() * (temperature / base_temperature)


def check(features: Tensor, labels: Tensor, background: Tensor, least: int = 1) -> None:
    """Raises: UsageError unless features (N,V,D) with V ≥ 2, labels (N,) and background (B,V',D), V' ≥ least, fit."""
    shapes = f"{tuple(features.shape)}, {tuple(labels.shape)} and {tuple(background.shape)}"
    fits = features.ndim == background.ndim == 3 and labels.shape == features.shape[:1]
    few = fits and (features.shape[1] < 2 or (len(background) > 0 and background.shape[1] < least))
    if not fits or few or features.shape[2] != background.shape[2]:
        raise UsageError(
            f"contrastive loss: expected features (N,V,D) of at least two views, labels (N,) and a background (B,V,D), "
            f"got {shapes}."
        )
