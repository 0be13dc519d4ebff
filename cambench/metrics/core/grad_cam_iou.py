"""GradCAM IoU: the overlap of the upper half of a Grad-CAM heatmap's range with the object's mask."""

from __future__ import annotations

import torch
from torch import Tensor

from cambench.metrics.accuracy.predictions import checked

EPSILON = 1e-10


def measure(image: Tensor, heatmap: Tensor, mask: Tensor, *, threshold: float = 0.5) -> dict[str, Tensor]:
    """IoU = (|P ∩ M| + 1e-10) / (|P ∪ M| + 1e-10) with P = heatmap ≥ ½ (threshold).

    Source: Hard-ImageNet's suite (ContrastiveCAM protocol §2); it counts a NaN as 0, here a heatmap that is not finite is an
    error. The heatmap is that of the label's logit, scaled to [0,1] before and after resizing (index entry).
    image is asked for so that masks come at its resolution; heatmap, mask (N,H,W) -> columns (N,).
    Raises: CambenchError for heatmaps that are not finite.
    """
    pointed = checked(heatmap, "Grad-CAM heatmaps") >= threshold
    common, either = ((pointed & mask).sum((1, 2)).double(), (pointed | mask).sum((1, 2)).double())
    counted = mask.flatten(1).any(1)
    return {"": torch.where(counted, (common + EPSILON) / (either + EPSILON), torch.nan), "counted": counted}
