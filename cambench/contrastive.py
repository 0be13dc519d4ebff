"""The algebra of ContrastiveCAM on the maps of all classes, which its losses and its metrics share.

maps CAM (N,C,h,w) of all classes, classes t (N,) of the images; all results are raw and signed.
"""

from __future__ import annotations

import torch
from torch import Tensor


def own_map(maps: Tensor, classes: Tensor) -> Tensor:
    """CAM_t: maps (N,C,h,w), classes (N,) -> (N,h,w)."""
    return maps[torch.arange(len(maps), device=maps.device), classes]


def contrastive_maps(maps: Tensor, classes: Tensor) -> Tensor:
    """ContrastiveCAMs of a class against every class: D_(t,c) = CAM_t − CAM_c, zero for c = t.

    Source: ContrastiveCAM eq. 7. maps (N,C,h,w), classes (N,) -> (N,C,h,w).
    """
    return own_map(maps, classes)[:, None] - maps


def reconstructed(maps: Tensor, classes: Tensor) -> Tensor:
    """Class-reconstructed ContrastiveCAM: CAM_t − 1/C Σ_c CAM_c, the mean of all C contrastive maps, the zero one included.

    Source: ContrastiveCAM eq. 8. maps (N,C,h,w), classes (N,) -> (N,h,w).
    """
    return own_map(maps, classes) - maps.mean(1)
