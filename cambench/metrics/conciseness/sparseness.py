"""Sparseness: how few of a heatmap's pixels hold most of it."""

from __future__ import annotations

import torch
from torch import Tensor

from cambench.metrics.asked import checked


def measure(heatmap: Tensor) -> dict[str, Tensor]:
    """Gini index G = 1 − 2·Σ_{k=1…d} (a_(k)/‖a‖₁)·(d − k + ½)/d of the values a = |M|, a_(1) ≤ … ≤ a_(d).

    Source: Chalasani et al. 2020, after Hurley and Rickard 2009. heatmap (N,H,W), not negative after the index entry's
    steps, d = H·W -> (N,) float64 from 0 (all alike) to 1 − 1/d (one pixel has all). A map of zeros has no index, and its
    image does not count.
    Raises: CambenchError for heatmaps that are not finite.
    """
    ordered = checked(heatmap, "heatmaps").double().flatten(1).sort(dim=1).values
    d, total = ordered.shape[1], ordered.sum(1)
    weight = (d - torch.arange(1, d + 1, dtype=torch.float64, device=ordered.device) + 0.5) / d
    values = 1 - 2 * (ordered @ weight) / total
    return {"": values, "counted": total > 0}
