"""A chain of layers differentiated backwards by hand, one layer after another, with a rule of its own at each ReLU."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d


def opened(a: Tensor, most: float) -> Tensor:
    """1 where a ReLU (or ReLU6) let its input through as it was."""
    return ((a > 0) & (a < most)).to(a)


def passed(method: str, a: Tensor, g: Tensor, most: float) -> Tensor:
    """What comes out below a ReLU that saw `a` when `g` comes in above."""
    if method == "gradient":
        return g * opened(a, most)
    positive = g * (g > 0).to(g)
    return positive if method == "deconvnet" else positive * opened(a, most)


def backward(layers: list[nn.Module], x: Tensor, v: Tensor, method: str) -> Tensor:
    """From the coefficients v (C,) of the logits down to one image (3,H,W): convolutions, ReLUs, average, linear layer."""
    inputs, a = [], x[None]
    for layer in layers:
        inputs.append(a.clone())
        a = layer(a.clone())
    g = v[None]
    for layer, below in zip(reversed(layers), reversed(inputs), strict=True):
        if isinstance(layer, nn.ReLU | nn.ReLU6):
            g = passed(method, below, g, 6.0 if isinstance(layer, nn.ReLU6) else float("inf"))
        elif isinstance(layer, nn.Linear):
            g = g @ layer.weight
        elif isinstance(layer, nn.Flatten):
            g = g.reshape(below.shape)
        elif isinstance(layer, nn.AdaptiveAvgPool2d):
            g = g.expand_as(below) / (below.shape[2] * below.shape[3])
        else:
            assert isinstance(layer, nn.Conv2d)
            missing = [
                below.shape[2 + d] - ((g.shape[2 + d] - 1) * layer.stride[d] - 2 * layer.padding[d] + layer.kernel_size[d])
                for d in (0, 1)
            ]
            g = conv_transpose2d(g, layer.weight, None, layer.stride, layer.padding, missing)
    return g[0].detach()
