"""CAMs by the gradient of any head: how activation and gradient combine, raw and signed at the layer's own grid.

activation A (N,K,h,w) and gradient G = ∂S/∂A (N,K,h,w), or (N,K,1,1) where it is constant over space, of the target's
scalar S -> (N,h,w).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from cambench.explainers.cam import weighted_sums
from cambench.maps import widened


def grad_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Grad-CAM without its ReLU: Σ_k mean_ij(G_k)·A_k. Source: Selvaraju et al. 2017, eq. 1–2; Wang & Wang 2022, eq. 2."""
    return weighted_sums(activation, gradient.mean((2, 3))[:, None])[:, 0]


def hires_cam(activation: Tensor, gradient: Tensor, *, channels: Literal["sum", "mean"] = "sum") -> Tensor:
    """HiResCAM, alias linear approximation: Σ_k G_k ⊙ A_k; channels `mean`: that over K.

    Source: Draelos & Carin 2020, as ContrastiveCAM eq. 2; Wang & Wang 2022, eq. 4 (linear approximation); the mean: their
    code (weighted-contrast protocol §1.3).
    """
    product = gradient * activation
    return product.sum(1) if channels == "sum" else product.mean(1)


def differentiable_cam(activation: Tensor, logits: Tensor, classes: Tensor, head: nn.Linear | None) -> Tensor:
    """HiResCAM of a class with its graph, for losses on heatmaps: M = Σ_k ∂y_t/∂A_k ⊙ A_k, nothing detached.

    With a GAP + linear head G_k = W[t,k]/(h·w), so M = Σ_k W[t,k]·A_k/(h·w) in closed form, which has the same gradient
    (with respect to trunk and W) as double backward; with any other head (None) G comes from a graph-creating backward of
    the batch's sum, each image's own unless the head couples images (as a batch norm in train mode does).
    Source: CGC, authors' code, before the ReLU. activation (N,K,h,w) and logits (N,C) of one forward pass, classes (N,)
    -> (N,h,w) raw and signed, in at least float32.
    """
    with torch.autocast(activation.device.type, enabled=False):
        if head is None:
            score = logits.gather(1, classes[:, None]).sum()
            (gradient,) = torch.autograd.grad(score, activation, create_graph=True)
            return hires_cam(widened(activation), widened(gradient))
        area = activation.shape[2] * activation.shape[3]
        weights = widened(head.weight)[classes] / area
        return weighted_sums(widened(activation), weights[:, None])[:, 0]
