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


def grad_cam_plus_plus(activation: Tensor, gradient: Tensor) -> Tensor:
    """Grad-CAM++ without its last ReLU: Σ_k w_k·A_k, w_k = Σ_ij α_kij·ReLU(G_kij), α_kij = 1/(2 + G_kij·Σ_ab A_kab).

    α is the paper's G²/(2·G² + Σ_ab A_ab·G³) where G is not 0, and where it is the ReLU is 0 too. That ReLU is part of the
    weight and stays. Source: Chattopadhay et al. 2018, eq. 19, for S that is followed by an exponential, whose
    factor e^S is left out. pytorch-grad-cam adds 1e-6 to the denominator, which rules it where G² is not much more.
    """
    totals = activation.sum((2, 3), keepdim=True)
    weights = (gradient.relu() / (2 + gradient * totals)).sum((2, 3))
    return weighted_sums(activation, weights[:, None])[:, 0]


def xgrad_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """XGrad-CAM without its ReLU: Σ_k w_k·A_k, w_k = Σ_ij G_kij·A_kij / Σ_ij A_kij; a channel that is 0 adds nothing.

    Source: Fu et al. 2020, Axiom-based Grad-CAM. With a GAP + linear head it is Grad-CAM.
    """
    dead = (activation == 0).flatten(2).all(2)
    totals = activation.sum((2, 3)).masked_fill(dead, 1)
    weights = (gradient * activation).sum((2, 3)) / totals
    return weighted_sums(activation, weights[:, None])[:, 0]


def layer_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """LayerCAM without its ReLU of the map: Σ_k ReLU(G_k) ⊙ A_k; the ReLU of the gradient is its weight and stays.

    Source: Jiang et al. 2021, LayerCAM.
    """
    return (gradient.relu() * activation).sum(1)


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
