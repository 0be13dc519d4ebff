"""ACoL's networks: two classifiers on one trunk, of which the second is given what the first leaves (rivals protocol §3)."""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.init import xavier_uniform_

from cambench.models.cifar_resnet import CifarResNet
from cambench.models.ending import find_ending, remove
from cambench.models.gap import close, draw, he, last_channels, max_pools, whole_vgg

WIDTH = 1024


class AcolHead(nn.Module):
    """The first classifier A up to its class scores, and the average; the second, B, hangs beside it.

    features F (N,K,h,w) -> (N,L,1,1); the linear layer that follows is A's 1×1 convolution: f^A = W·first(F) + b. L = 1024,
    at most 2·K. `threshold` is θ, which training sets: it is part of the network, since its maps depend on it.
    Source: WSOL benchmark, its code (rivals protocol §3).
    """

    threshold: Tensor

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.width = min(WIDTH, 2 * channels)
        self.features = nn.Identity()
        self.first = convolutions(channels, self.width)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.second = convolutions(channels, self.width)
        self.second.add_module("scores", nn.Conv2d(self.width, classes, 1))
        self.register_buffer("threshold", torch.tensor(math.nan))

    def forward(self, features: Tensor) -> Tensor:
        """(N,K,h,w) -> (N,L,1,1)."""
        averaged: Tensor = self.pool(self.first(self.features(features)))
        return averaged


def convolutions(channels: int, width: int) -> nn.Sequential:
    """Two 3×3 convolutions with ReLU: (N,channels,h,w) -> (N,width,h,w)."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i, given in ((1, channels), (2, width)):
        layers[f"conv{i}"], layers[f"relu{i}"] = nn.Conv2d(given, width, 3, padding=1), nn.ReLU()
    return nn.Sequential(layers)


def acol_head(network: nn.Module) -> bool:
    """ACoL's two classifiers in the place of the pooling module and of the linear layer, which begins anew, in place.

    New weights: He's normal in a ResNet, Xavier-uniform in any other network; biases 0 (rivals protocol §3).
    """
    from torchvision.models import ResNet

    ending = find_ending(network)
    if ending is None or ending.pool is None:
        return False
    old = ending.linear
    head = AcolHead(old.in_features, old.out_features)
    last = nn.Linear(head.width, old.out_features)
    for module in (head, last):
        draw(module, he if isinstance(network, (ResNet, CifarResNet)) else xavier_uniform_)
    network.set_submodule(ending.pool, head)
    network.set_submodule(ending.head, last)
    remove(network, ending.between)
    return True


def acol_part(network: nn.Module) -> str | None:
    """The name of a network's two classifiers, None where it has none."""
    return next((name for name, module in network.named_modules() if isinstance(module, AcolHead)), None)


def vgg_acol(network: nn.Module, large: bool) -> bool:
    """A VGG as ACoL's trunk: overlapping pools, an average, one linear layer; 14×14 (large: 28×28) at 224 px.

    Pools 1–4 are 3×3 with stride 2 (large: the fourth with 1), the fifth a 3×3 maximum and a 3×3 mean with stride 1.
    Source: WSOL benchmark, its code (rivals protocol §3).
    """
    if (vgg := whole_vgg(network)) is None:
        return False
    pool = partial(nn.MaxPool2d, 3, padding=1)
    *strided, fourth, last = max_pools(vgg)
    for name in strided:
        vgg.features.set_submodule(name, pool(stride=2))
    vgg.features.set_submodule(fourth, pool(stride=1 if large else 2))
    vgg.features.set_submodule(last, nn.Sequential(pool(stride=1), nn.AvgPool2d(3, stride=1, padding=1)))
    close(vgg, last_channels(vgg))
    return True
