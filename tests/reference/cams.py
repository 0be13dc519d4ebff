"""CAMs of a layer of one image, in float64, from their papers: sums written out, whole forward passes, a whole Hessian."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

Score = Callable[[Tensor], Tensor]
"""logits (C,) -> the scalar S that is explained."""


def weighted(activation: Tensor, weights: list[float]) -> Tensor:
    """Σ_k w_k·A_k (h,w)."""
    out = torch.zeros(activation.shape[1:], dtype=torch.float64)
    for k, weight in enumerate(weights):
        out += weight * activation[k]
    return out


def grad_cam_plus_plus(activation: Tensor, gradient: Tensor) -> Tensor:
    """Chattopadhay et al. 2018: α = G²/(2·G² + ΣA·G³), 0 where the derivatives are; w = Σ α·ReLU(G)."""
    weights = []
    for a, g in zip(activation, gradient, strict=True):
        total, weight = sum(float(v) for v in a.flatten()), 0.0
        for value in g.flatten().tolist():
            denominator = 2 * value**2 + total * value**3
            alpha = value**2 / denominator if value != 0 else 0.0
            weight += alpha * max(value, 0.0)
        weights.append(weight)
    return weighted(activation, weights)


def xgrad_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Fu et al. 2020: w = Σ_ij A_ij/ΣA·G_ij; a channel of zeros adds nothing."""
    weights = []
    for a, g in zip(activation, gradient, strict=True):
        values, total = zip(a.flatten().tolist(), g.flatten().tolist(), strict=True), float(a.sum())
        weights.append(sum(x / total * y for x, y in values) if bool(a.any()) else 0.0)
    return weighted(activation, weights)


def layer_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Jiang et al. 2021: each cell's own weight ReLU(G)."""
    out = torch.zeros(activation.shape[1:], dtype=torch.float64)
    for k, i, j in np.ndindex(*activation.shape):
        out[i, j] += max(float(gradient[k, i, j]), 0.0) * float(activation[k, i, j])
    return out


def principal(maps: Tensor, centred: bool) -> Tensor:
    """The cells on the first right singular vector by numpy's SVD, turned to where the channels' means are positive."""
    cells = maps.flatten(1).T.numpy()
    mean = cells.mean(0)
    cells = cells - mean if centred else cells
    first = np.linalg.svd(cells, full_matrices=True)[2][0]
    projection = cells @ (first if first @ mean >= 0 else -first)
    return torch.from_numpy(projection).reshape(maps.shape[1:])


def logits_of(model: nn.Module, layer: nn.Module, image: Tensor, activation: Tensor | None = None) -> Tensor:
    """The logits (C,) of one image by a whole forward pass, the layer's map (K,h,w) replaced."""

    def replace(module: nn.Module, arguments: object, output: Tensor) -> Tensor:
        return output if activation is None else activation[None] * 1.0  # what follows may write into it

    handle = layer.register_forward_hook(replace)
    try:
        return model(image[None])[0]
    finally:
        handle.remove()


def ablation_cam(model: nn.Module, layer: nn.Module, image: Tensor, activation: Tensor, score: Score) -> Tensor:
    """Desai & Ramaswamy 2020: w_k = (S − S_k)/S, a forward pass a channel."""
    with torch.no_grad():
        whole, weights = float(score(logits_of(model, layer, image))), []
        for k in range(len(activation)):
            without = activation.clone()
            without[k] = 0
            weights.append((whole - float(score(logits_of(model, layer, image, without)))) / whole)
    return weighted(activation, weights)


def shapley_cam(model: nn.Module, layer: nn.Module, image: Tensor, activation: Tensor, score: Score) -> Tensor:
    """Cai 2025: w_k = mean_ij(G − ½·H·A)_k, the Hessian as a whole matrix."""

    def of_map(flat: Tensor) -> Tensor:
        return score(logits_of(model, layer, image, flat.view_as(activation)))

    flat = activation.flatten()
    gradient = torch.autograd.functional.jacobian(of_map, flat)
    hessian = torch.autograd.functional.hessian(of_map, flat)
    value = (gradient - 0.5 * hessian @ flat).view_as(activation)
    return weighted(activation, [float(v.mean()) for v in value])
