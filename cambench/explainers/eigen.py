"""CAMs by the first principal direction of the channels, raw and signed at the layer's own grid."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from cambench.explainers.score import Score


def eigen_cam(activation: Tensor, score: Score, *, centred: bool = False) -> Tensor:
    """Eigen-CAM: A·v₁, the layer's map on its first right singular vector; it looks at no class.

    Source: Muhammad & Yeasin 2020, Eigen-CAM; centred: pytorch-grad-cam. activation (N,K,h,w) -> (N,h,w).
    """
    return principal(activation, centred)


def eigen_grad_cam(activation: Tensor, gradient: Tensor, *, centred: bool = True) -> Tensor:
    """Eigen-Grad-CAM: Eigen-CAM of G ⊙ A. Source: pytorch-grad-cam, which alone has it. -> (N,h,w)."""
    return principal(gradient * activation, centred)


def principal(maps: Tensor, centred: bool) -> Tensor:
    """M·v₁ for the cells × channels matrix M (h·w,K) of each image and its first right singular vector v₁.

    centred: of M less its mean over the cells, as in a principal component analysis. A singular vector has no sign of its
    own; here v₁ points to where the channels' means lie, v₁·mean_hw(M) ≥ 0, so that of maps that are nowhere negative the
    uncentred projection is neither. v₁ is an eigenvector of MᵀM, or Mᵀu₁/‖Mᵀu₁‖ of one of MMᵀ, whichever is smaller.
    maps (N,K,h,w) -> (N,h,w).
    """
    cells = maps.flatten(2).mT
    mean = cells.mean(1)
    cells = cells - mean[:, None] if centred else cells
    if cells.shape[1] < cells.shape[2]:
        first = normalize(cells.mT @ torch.linalg.eigh(cells @ cells.mT).eigenvectors[..., -1:], dim=1)
    else:
        first = torch.linalg.eigh(cells.mT @ cells).eigenvectors[..., -1:]
    backwards = (mean[:, None] @ first) < 0
    return (cells @ torch.where(backwards, -first, first)).reshape(len(maps), *maps.shape[2:])
