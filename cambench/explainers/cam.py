"""Class activation maps of a head of global average pooling + one linear layer, raw and signed at the layer's own grid."""

from __future__ import annotations

from torch import Tensor

from cambench.maps import min_max, widened
from cambench.vocabulary import UsageError

NEEDS_HEAD = "needs a head of global average pooling + one linear layer above one layer; use grad-cam or hires-cam."
"""What is said of an explainer of such a head where there is none."""


def cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Class activation map: Σ_k w_k·A_k with w = h·w·G, the class weights of a GAP + linear head.

    Source: Zhou et al. 2016, eq. 2. activation A, gradient G = ∂S/∂A (N,K,h,w) of the target's scalar S -> (N,h,w).
    Raises: UsageError where the gradient is not constant over space, so that the head is
    not GAP + linear and CAM is not defined.
    """
    low, high = gradient.amin((2, 3)), gradient.amax((2, 3))
    if bool(((high - low).amax() > 1e-4 * gradient.abs().amax()).any()):
        raise UsageError(f"cam {NEEDS_HEAD}")
    weights = gradient.mean((2, 3))[:, None]
    return weighted_sums(activation, weights)[:, 0] * (activation.shape[2] * activation.shape[3])


def score_map(activation: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """f_c = Σ_k W[c,k]·A_k + b_c, the score of a class at each cell: its mean is the logit.

    Source: CALM eq. 1 (CALM protocol §1.1), whose classifier is a 1×1 convolution with bias before the pool. The bias
    shifts a map and so matters only where maps of two classes are compared.
    activation (N,K,h,w), weights (M,K) or (N,M,K), bias (M,) or (N,M) of a GAP + linear head -> (N,M,h,w).
    """
    return weighted_sums(activation, weights) + bias[..., None, None]


def class_scores(activation: Tensor, weights: Tensor, classes: Tensor) -> Tensor:
    """Σ_k W[y,k]·A_k of one class an image: f_y but for its bias, which a scaling by min-max takes away.

    activation (N,K,h,w), weights (C,K), classes (N,) -> (N,h,w) in at least float32.
    """
    return weighted_sums(widened(activation), widened(weights)[classes][:, None])[:, 0]


def min_max_cam(activation: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """minmax(Σ_k W[c,k]·A_k), each class's map between 0 and 1 before the target adds them up: Σ_c v_c·M_c.

    With the target `subset:NAME` CALM's "CAM + Y", the sum over the classes of a superset. Source: CALM protocol §1.4,
    authors' code. activation (N,K,h,w), weights (M,K), bias (M,), which does not matter -> (N,M,h,w).
    """
    maps = weighted_sums(activation, weights)
    return min_max(maps.flatten(0, 1)).reshape(maps.shape)


def weighted_sums(activation: Tensor, weights: Tensor) -> Tensor:
    """Σ_k w_k·A_k for M weight vectors at once: activation (N,K,h,w), weights (N,M,K) or (M,K) -> (N,M,h,w)."""
    n, _, h, w = activation.shape
    return (weights @ activation.flatten(2)).reshape(n, -1, h, w)
