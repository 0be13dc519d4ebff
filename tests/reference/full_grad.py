"""FullGrad of one image, in float64: every bias's own gradient kept by a whole backward pass, channel by channel."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate


def terms(model: nn.Module, image: Tensor, v: Tensor) -> list[tuple[list[float], Tensor]]:
    """(a bias a channel, ∂S/∂output (K,h,w)) of each convolution and batch norm, in the order of the forward pass."""
    kept: list[tuple[list[float], Tensor]] = []

    def keep(module: nn.Module, arguments: object, output: Tensor) -> Tensor | None:
        channels = range(output.shape[1])
        if isinstance(module, nn.BatchNorm2d):
            weight, bias, mean, variance = (
                values.tolist() for values in (module.weight, module.bias, module.running_mean, module.running_var)
            )
            biases = [bias[k] - weight[k] / math.sqrt(variance[k] + module.eps) * mean[k] for k in channels]
        elif isinstance(module, nn.Conv2d) and module.bias is not None:
            biases = module.bias.tolist()
        else:
            return None
        output.retain_grad()
        kept.append((biases, output))
        return output * 1.0  # what follows may write into it

    handles = [module.register_forward_hook(keep) for module in model.modules()]
    leaf = image[None].clone().requires_grad_()
    (v * model(leaf)[0]).sum().backward()
    for handle in handles:
        handle.remove()
    return [(biases, output.grad[0]) for biases, output in kept] + [([], leaf.grad[0])]


def psi(term: Tensor, low: float, high: float, size: tuple[int, int]) -> Tensor:
    """|term| (h,w) between 0 and 1, at the image's size."""
    scaled = (term.abs() - low) / (high - low) if high > low else torch.zeros_like(term)
    return interpolate(scaled[None, None], size, mode="bilinear", align_corners=False)[0, 0]


def full_grad(model: nn.Module, image: Tensor, v: Tensor, *, scale: str = "channel") -> Tensor:
    """Σ ψ(x ⊙ ∇x) + Σ_l Σ_k ψ(b_k·∇_k), over colours and channels (H,W)."""
    *layers, (_, gradient) = terms(model, image, v)
    every = [image * gradient, *(g * torch.tensor(b, dtype=torch.float64)[:, None, None] for b, g in layers)]
    out = torch.zeros(image.shape[1:], dtype=torch.float64)
    for term in every:
        for channel in term:
            of = channel if scale == "channel" else term
            out += psi(channel, float(of.abs().min()), float(of.abs().max()), (image.shape[1], image.shape[2]))
    return out
