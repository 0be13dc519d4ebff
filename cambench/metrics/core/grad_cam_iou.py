"""GradCAM IoU: the overlap of the upper half of a Grad-CAM heatmap's range with the object's mask."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from cambench.metrics.asked import checked
from cambench.metrics.core.contrastive import overlap

EPSILON = 1e-10
Alignment = Literal["iou", "dice", "delta-density"]


def measure(
    image: Tensor, heatmap: Tensor, mask: Tensor, *, threshold: float = 0.5, score: Alignment = "iou"
) -> dict[str, Tensor]:
    """IoU = (|P ∩ M| + 1e-10) / (|P ∪ M| + 1e-10) with P = heatmap ≥ ½ (threshold).

    score `dice`: (2|P ∩ M| + 1e-10) / (|P| + |M| + 1e-10). `delta-density`: the heatmap's mean on M less that around it,
    whatever the threshold; an image that is all object does not count then. Source: Hard-ImageNet's suite (ContrastiveCAM
    protocol §2); it counts a NaN as 0, here a heatmap that is not finite is an error. The heatmap is that of the label's
    logit, scaled to [0,1] before and after resizing (index entry). image is asked for so that masks come at its
    resolution; heatmap, mask (N,H,W) -> columns (N,).
    Raises: CambenchError for heatmaps that are not finite.
    """
    pointed, counted = checked(heatmap, "Grad-CAM heatmaps") >= threshold, mask.flatten(1).any(1)
    if score == "delta-density":
        values, counted = mean_on(heatmap, mask) - mean_on(heatmap, ~mask), counted & ~mask.flatten(1).all(1)
    else:
        values = overlap(pointed, mask, score, EPSILON)
    return {"": torch.where(counted, values, torch.nan), "counted": counted}


def mean_on(heatmap: Tensor, mask: Tensor) -> Tensor:
    """The heatmap's mean over the pixels of the mask: (N,h,w) twice -> (N,) float64, NaN where there is none."""
    return torch.where(mask, heatmap.double(), 0.0).sum((1, 2)) / mask.sum((1, 2))
