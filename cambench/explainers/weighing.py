"""CAMs whose channels are weighed by what they do to the score, raw and signed at the layer's own grid.

activation A (N,K,h,w) and the target's scalar S as a function of it -> (N,h,w).
"""

from __future__ import annotations

from torch import Tensor

from cambench.explainers.cam import weighted_sums
from cambench.explainers.score import Score


def ablation_cam(activation: Tensor, score: Score) -> Tensor:
    """Ablation-CAM without its ReLU: Σ_k w_k·A_k, w_k = (S − S_k)/S with S_k the score where A_k = 0.

    Where S is negative the division turns the map round, as published. Source: Desai & Ramaswamy 2020, Ablation-CAM.
    pytorch-grad-cam takes 10⁷ below the least in place of 0 where a map is nowhere 0.
    """
    return weighted_sums(activation, (score.drops / score.value[:, None])[:, None])[:, 0]


def shapley_cam(activation: Tensor, score: Score) -> Tensor:
    """ShapleyCAM without its ReLU: Σ_k mean_ij(G_k − ½·(H·A)_k)·A_k with the Hessian H = ∂²S/∂A².

    The Shapley values of the cells for S as its Taylor polynomial of second order. Grad-CAM where S is linear in A, as a
    logit of a GAP + linear head or, near A, of one of ReLUs. Source: Cai 2025, CAMs as Shapley Value-based Explainers,
    whose own score is the target `residual-softmax`.
    """
    weights = (score.gradient - score.curvature / 2).mean((2, 3))
    return weighted_sums(activation, weights[:, None])[:, 0]
