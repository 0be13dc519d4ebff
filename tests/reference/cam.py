"""CAM, Grad-CAM and HiResCAM of one image, in float64: a whole backward pass, then sums written out."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def activation_and_gradient(model: nn.Module, layer: nn.Module, image: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """A (K,h,w) of one image (3,H,W) and G = ∂(v·y)/∂A, with the trunk in the graph."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, arguments: object, output: Tensor) -> Tensor:
        kept.append(output)
        return output * 1.0  # what follows may write into its input

    handle = layer.register_forward_hook(keep)
    with torch.enable_grad():
        logits = model(image[None].clone().requires_grad_())
        handle.remove()
        gradient = torch.autograd.grad((v * logits[0]).sum(), kept[0])[0]
    return kept[0][0].detach(), gradient[0]


MEAN = "hires-cam:channels=mean"


def combine(name: str, activation: Tensor, gradient: Tensor) -> Tensor:
    """(h,w), one channel and one cell at a time."""
    channels, height, width = activation.shape
    out = torch.zeros(height, width, dtype=torch.float64)
    for k in range(channels):
        mean = float(gradient[k].sum()) / (height * width)
        for i in range(height):
            for j in range(width):
                a, g = float(activation[k, i, j]), float(gradient[k, i, j])
                out[i, j] += {"grad-cam": mean * a, "hires-cam": g * a, "cam": g * height * width * a}[
                    name.partition(":")[0]
                ]
    return out / channels if name == MEAN else out
