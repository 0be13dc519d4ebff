"""Complexity: how much of the image a heatmap lets through."""

from __future__ import annotations

import torch
from torch import Tensor

from cambench.maps import within_unit


def measure(heatmap: Tensor) -> Tensor:
    """‖M‖₁/(H·W) = (1/(H·W))·Σ_p M_p.

    Source: Poppi et al. 2021, Complexity, which is ‖M‖₁; by the pixels, so that it lies in 0..1 as ADCC needs it. Others
    call the entropy of a map its complexity (Bhatt et al. 2020). heatmap (N,H,W) in [0,1] -> (N,) float64. A constant map
    is zero after the index entry's steps, and so least complex.
    Raises: CambenchError for maps that leave [0,1].
    """
    return within_unit(heatmap, "complexity").mean((1, 2), dtype=torch.float64)
