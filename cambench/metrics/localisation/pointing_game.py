"""The pointing game: whether a heatmap's highest pixel lies on an object of the class, or near one."""

from __future__ import annotations

import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from cambench.metrics.asked import checked
from cambench.metrics.localisation.boxes import same_shape

TOLERANCE = 15.0
"""Pixels of the picture as it was annotated. Source: Zhang et al. 2018, §4.1."""


def measure(heatmap: Tensor, mask: Tensor, *, tolerance: float = TOLERANCE) -> Tensor:
    """A hit is 1[min_{q ∈ mask} ‖p − q‖ ≤ τ] at the highest pixel p = argmax M, τ = 15 pixels (tolerance).

    Source: Zhang et al. 2018, §4.1. The mask is the union of the class's boxes, so that any of several objects is hit. Of n
    equally high pixels each counts 1/n, which the paper leaves open: a constant map scores the share of the picture that is
    on an object or near one. The paper takes the mean over each class's images, then over classes; here all images count
    alike. heatmap (N,H,W), signed, mask (N,H,W) bool, at the resolution of the annotation -> (N,) float64 in 0..1; a mask
    without a pixel is never hit.
    Raises: CambenchError for shapes that differ, or heatmaps that are not finite.
    """
    same_shape(heatmap, mask, "pointing-game")
    highest = checked(heatmap, "heatmaps") == heatmap.amax((1, 2), keepdim=True)
    hit = highest & torch.stack([around(own, tolerance) for own in mask])
    return hit.sum((1, 2)).double() / highest.sum((1, 2))


def around(mask: Tensor, reach: float) -> Tensor:
    """The pixels that are at most `reach` pixels from the nearest one of the mask: (H,W) bool -> (H,W) bool."""
    if not bool(mask.any()):
        return mask
    return torch.from_numpy(distance_transform_edt(~mask.cpu().numpy()) <= reach).to(mask.device)
