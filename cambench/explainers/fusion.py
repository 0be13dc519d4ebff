"""One map of several layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cambench.maps import largest, resize

GAMMA = 2.0


def fuse(maps: Sequence[Tensor]) -> Tensor:
    """max_l tanh(γ·ReLU(M_l)/max M_l), γ = 2, each layer's map first resized to the largest grid; never negative.

    Layers have scales of their own, so each map's ReLU and scaling come before the maximum. Source: Jiang et al. 2021,
    LayerCAM, eq. 9, which scales the shallow layers alone so. maps (N,h_l,w_l) of each layer -> (N, max h_l, max w_l) in
    [0, 1); a map that is nowhere positive is 0.
    """
    size = max(m.shape[1] for m in maps), max(m.shape[2] for m in maps)
    return torch.stack([resize(torch.tanh(GAMMA * largest(m)), size) for m in maps]).amax(0)
