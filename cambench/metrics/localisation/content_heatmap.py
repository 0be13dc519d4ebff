"""Content heatmap (CH): the share of a heatmap's mass that lies on the object."""

from __future__ import annotations

import torch
from torch import Tensor

from cambench.metrics.localisation.boxes import same_shape
from cambench.vocabulary import CambenchError


def measure(heatmap: Tensor, mask: Tensor) -> Tensor:
    """CH = Σ_p mask_p·M_p / Σ_p M_p.

    Source: CGC §4, authors' code; the energy-based pointing game of Wang et al. 2020 (Score-CAM) is this fraction, too.
    heatmap (N,H,W), non-negative, after the index entry's steps; mask (N,H,W) bool at the same resolution -> (N,) fractions
    in float64. A heatmap that was zero is uniform after `sum-to-one-epsilon` and counts with the mask's share of the area.
    Raises: CambenchError for shapes that differ, or heatmaps that are not finite or have no positive mass.
    """
    same_shape(heatmap, mask, "content heatmap")
    total = heatmap.sum((1, 2), dtype=torch.float64)
    if not bool(((total > 0) & torch.isfinite(total)).all()):
        bad = float(total[~((total > 0) & torch.isfinite(total))][0])
        raise CambenchError(
            f"content heatmap: expected maps with a positive, finite sum, got {bad}; apply the entry's map steps."
        )
    return (heatmap * mask).sum((1, 2), dtype=torch.float64) / total
