"""Integrated gradients, SmoothGrad and VarGrad of one image, point by point, everything kept."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def gradient(model: nn.Module, point: Tensor, score: Callable[[Tensor], Tensor]) -> Tensor:
    """∂score(y)/∂x at one point (3,H,W), summed by nothing."""
    leaf = point.clone().requires_grad_()
    score(model(leaf[None])[0]).backward()
    assert leaf.grad is not None
    return leaf.grad


def integrated_gradients(model: nn.Module, x: Tensor, score: Callable[[Tensor], Tensor], steps: int = 50) -> Tensor:
    """(H,W): (x − 0) times the average of the gradients at the middles of 50 equal pieces of the way from 0 to x."""
    total = torch.zeros_like(x)
    for k in range(steps):
        total += gradient(model, torch.zeros_like(x) + (k + 0.5) / steps * (x - 0), score)
    return (x * total / steps).sum(0)


def noisy_maps(model: nn.Module, x: Tensor, score: Callable[[Tensor], Tensor], seed: int) -> Tensor:
    """(50,H,W): the gradient, summed over colours, of 50 copies with noise of a quarter of the image's range."""
    generator = torch.Generator().manual_seed(seed)
    noise = [torch.randn(x.shape, generator=generator).double() for _ in range(50)]
    return torch.stack([gradient(model, x + float(x.max() - x.min()) / 4 * one, score).sum(0) for one in noise])


def vanilla(model: nn.Module, point: Tensor, t: int) -> Tensor:
    """(H,W): the largest absolute gradient of logit t over the colours."""
    return gradient(model, point, lambda y: y[t]).abs().max(0).values


def vanilla_family(model: nn.Module, x: Tensor, t: int, seed: int) -> dict[str, Tensor]:
    """CALM's four gradient baselines of one image, everything kept."""
    generator = torch.Generator().manual_seed(seed)
    noise = [torch.randn(x.shape, generator=generator).double() for _ in range(50)]
    maps = torch.stack([vanilla(model, x + float(x.max() - x.min()) / 4 * one, t) for one in noise])
    path = torch.stack([vanilla(model, i / 50 * x, t) for i in range(51)])
    return {
        "vanilla-gradient": vanilla(model, x, t),
        "integrated-vanilla-gradient": path.sum(0) / 50,
        "smooth-vanilla-gradient": maps.mean(0),
        "variance-vanilla-gradient": (maps**2).mean(0) - maps.mean(0) ** 2,
        "smooth-grad-square": (maps**2).mean(0),
    }
