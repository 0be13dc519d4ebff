"""Class activation maps: how activation and gradient combine. All return raw, signed maps at the layer's own grid.

activation A (N,K,h,w) and gradient G = ∂S/∂A (N,K,h,w), or (N,K,1,1) where it is constant over space, of the target's
scalar S -> (N,h,w).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cambench.maps import widened
from cambench.vocabulary import UsageError


def cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Class activation map: Σ_k w_k·A_k with w = h·w·G, the class weights of a GAP + linear head.

    Source: Zhou et al. 2016, eq. 2. Raises: UsageError where the gradient is not constant over space, so that the head is
    not GAP + linear and CAM is not defined.
    """
    low, high = gradient.amin((2, 3)), gradient.amax((2, 3))
    if bool(((high - low).amax() > 1e-4 * gradient.abs().amax()).any()):
        raise UsageError("cam needs a head of global average pooling + one linear layer; use grad-cam or hires-cam here.")
    return grad_cam(activation, gradient) * (activation.shape[2] * activation.shape[3])


def score_map(activation: Tensor, gradient: Tensor) -> Tensor:
    """f_c = Σ_k W[c,k]·A_k + b_c, the score of a class at each cell: its mean is the logit. In closed form alone.

    Source: CALM eq. 1 (CALM protocol §1.1), whose classifier is a 1×1 convolution with bias before the pool. The bias
    shifts a map and so matters only where maps of two classes are compared.
    Raises: UsageError, as nothing but a head of GAP + linear has such scores.
    """
    raise UsageError("score-map needs a head of global average pooling + one linear layer; use grad-cam or hires-cam here.")


def min_max_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Σ_c v_c·minmax(Σ_k W[c,k]·A_k), each class's map between 0 and 1 before the target adds them up. In closed form alone.

    With the target `subset:NAME` CALM's "CAM + Y", the sum over the classes of a superset. Source: CALM protocol §1.4,
    authors' code. Raises: UsageError, as nothing but a head of GAP + linear has the maps of all classes at that price.
    """
    raise UsageError("min-max-cam needs a head of global average pooling + one linear layer; use calm or grad-cam here.")


def grad_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Grad-CAM without its ReLU: Σ_k mean_ij(G_k)·A_k. Source: Selvaraju et al. 2017, eq. 1–2; Wang & Wang 2022, eq. 2."""
    return weighted_sums(activation, gradient.mean((2, 3))[:, None])[:, 0]


def hires_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """HiResCAM, alias linear approximation: Σ_k G_k ⊙ A_k.

    Source: Draelos & Carin 2020, as ContrastiveCAM eq. 2; Wang & Wang 2022, eq. 4 (linear approximation).
    """
    return (gradient * activation).sum(1)


def weighted_sums(activation: Tensor, weights: Tensor) -> Tensor:
    """Σ_k w_k·A_k for M weight vectors at once: activation (N,K,h,w), weights (N,M,K) or (M,K) -> (N,M,h,w)."""
    n, _, h, w = activation.shape
    return (weights @ activation.flatten(2)).reshape(n, -1, h, w)


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
