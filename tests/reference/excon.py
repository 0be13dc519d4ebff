"""ExCon, slowly and from the paper: the losses of eqs. 2 and 3 by loops (ExCon protocol §1.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def loss(features: Tensor, labels: Tensor, background: Tensor, temperature: float) -> Tensor:
    """Eq. 3 as printed, a sum over anchors; eq. 2 where the background is empty. features (N,V,D), background (B,V,D)."""
    return sum(terms(features, labels, background, temperature), torch.zeros((), dtype=features.dtype))


def terms(
    features: Tensor, labels: Tensor, background: Tensor, temperature: float, mode: str = "all", anchored: bool = False
) -> list[Tensor]:
    """One term an anchor; mode one: first views alone; anchored: the background is one more class."""
    entries = [(int(labels[n]), v, features[n, v]) for n in range(len(features)) for v in range(features.shape[1])]
    entries += [(-1, v, background[n, v]) for n in range(len(background)) for v in range(background.shape[1])]
    found = []
    for i, (label, view, e) in enumerate(entries):
        if (label == -1 and not anchored) or (mode == "one" and view > 0):
            continue
        denominator = sum(torch.exp(e @ a / temperature) for j, (_, _, a) in enumerate(entries) if j != i)
        positives = [x for j, (y, _, x) in enumerate(entries) if j != i and y == label]
        found.append(-sum(torch.log(torch.exp(e @ p / temperature) / denominator) for p in positives) / len(positives))
    return found


def anchor_gradient(i: int, entries: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Eqs. 4 and 5: dL_i/de_i through the anchor's slot. entries (A,D); labels (A,), −1 for the background."""
    weights = [0.0 if a == i else math.exp(float(entries[i] @ entries[a]) / temperature) for a in range(len(entries))]
    positives = [p for p in range(len(entries)) if p != i and labels[p] == labels[i]]
    drawn = sum(w * e for w, e in zip(weights, entries, strict=True)) / sum(weights)
    return (drawn - sum(entries[p] for p in positives) / len(positives)) / temperature
