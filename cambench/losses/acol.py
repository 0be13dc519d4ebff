"""ACoL: what the second classifier does not see, and the map that both make (rivals protocol §3)."""

from __future__ import annotations

import torch
from torch import Tensor

from cambench.maps import min_max


def erase(features: Tensor, scores: Tensor, threshold: Tensor | float) -> Tensor:
    """F' = F·1[a < θ], a = minmax_z f_y, a constant: 0 in all channels where the first classifier looks most.

    A constant map has a = 0. Source: Zhang et al. 2018, ACoL; WSOL benchmark, its code (rivals protocol §3).
    features (N,K,h,w), scores f_y (N,h,w) of the label, θ -> (N,K,h,w).
    """
    return features * (min_max(scores.detach()) < threshold)[:, None].to(features)


def fuse(first: Tensor, second: Tensor) -> Tensor:
    """s = max(minmax f^A_y, minmax f^B_y), cell by cell: (N,h,w) twice -> (N,h,w) in [0,1]. A constant map is 0.

    Source: WSOL benchmark, its code (rivals protocol §3).
    """
    return torch.maximum(min_max(first), min_max(second))
