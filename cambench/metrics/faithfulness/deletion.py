"""Deletion: from the image to nothing, most salient pixels first."""

from __future__ import annotations

import torch
from torch import Tensor

from cambench.metrics.accuracy.predictions import Predict
from cambench.metrics.faithfulness.perturbation import ROWS_A_STEP, Track, Way, area, curve


def measure(
    predict: Predict,
    image: Tensor,
    heatmap: Tensor,
    label: Tensor,
    *,
    rows: int = ROWS_A_STEP,
    track: Track = "predicted",
    chunk: int = 64,
) -> Tensor:
    """Deletion AUC: a class's mean probability while the image disappears, AUC = (Σ_k s_k − s_0/2 − s_S/2)/S.

    Source: RISE (Petsiuk et al. 2018), with the order, steps and tracked class of the insertion metric. Deleted pixels
    become 0 in normalised space, the data's mean colour.
    predict: image -> logits; image (N,3,H,W) normalised; heatmap (N,H,W) after the index entry's steps; label (N,)
    -> (N,) float64 in 0..1, lower is better.
    Raises: CambenchError for shapes that do not fit, logits or heatmaps that are not finite.
    """
    return area(curve(predict, ends(image), heatmap, label, Way(rows, track, chunk), whole=0))


def ends(image: Tensor) -> tuple[Tensor, Tensor]:
    """From the whole image to the mean colour."""
    return image, torch.zeros_like(image)
