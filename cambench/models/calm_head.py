"""CALM's head: the location as a latent variable, in the place of a global average pool and a linear layer."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

Activation = Literal["relu", "softplus"]
TINY = torch.finfo(torch.float32).tiny


class Latent(nn.Module):
    """Class scores (N,C,h,w) and location scores (N,1,h,w) -> (N,C+1,h,w): log p(y|x,z) for every class, then p(z|x).

    p(z|x) = a_z / Σ_z a_z with a the positive part (or softplus) of the location scores; where every a is 0 (a dead ReLU) it
    is uniform. attached: whether the gradient also runs through the denominator; the authors' code detaches it.
    Source: CALM §4.1.1, supplement C; authors' code (CALM protocol §1.2).
    """

    def __init__(self, activation: Activation, attached: bool) -> None:
        super().__init__()
        self.activation, self.attached = activation, attached

    def forward(self, classes: Tensor, location: Tensor) -> Tensor:
        """Both scores -> the latent pair as one map, which is the layer that CALM's explainers look at."""
        positive = location.relu() if self.activation == "relu" else softplus(location)
        total = positive.sum((2, 3), keepdim=True)
        dead = total == 0
        safe = torch.where(dead, torch.ones_like(total), total)
        prior = positive / (safe if self.attached else safe.detach())
        uniform = torch.ones_like(prior) / (prior.shape[2] * prior.shape[3])
        return torch.cat([torch.log_softmax(classes, 1), torch.where(dead, uniform, prior)], 1)


class CalmHead(nn.Module):
    """Features (N,L,h,w) -> log p(y|x) (N,C,1,1), p(y|x) = Σ_z p(y|x,z)·p(z|x): logits whose softmax is p itself.

    Two 1×1 convolutions with bias, whose weights the surgery draws. Source: CALM §4.1 (CALM protocol §1.2, §1.5). A
    probability that underflows gives the logarithm of the smallest normal number of float32.
    """

    def __init__(self, channels: int, classes: int, activation: Activation = "relu", attached: bool = False) -> None:
        super().__init__()
        self.location = nn.Conv2d(channels, 1, 1)
        self.classes = nn.Conv2d(channels, classes, 1)  # last, as the network's classifier
        self.latent = Latent(activation, attached)

    def forward(self, features: Tensor) -> Tensor:
        """(N,L,h,w) -> (N,C,1,1)."""
        latent = self.latent(self.classes(features), self.location(features))
        probability = (latent[:, :-1].exp() * latent[:, -1:]).sum((2, 3), keepdim=True)
        return cast(Tensor, probability.clamp(min=TINY).log())


class InlineCalmHead(CalmHead):
    """CALM's head amid a network whose average is a function: features (N,L,h,w) -> −log p(y|x) (N,C,1,1).

    An average, a flattening and a ReLU leave these numbers as they are, whatever function follows; `Negative` in the linear
    layer's place turns their sign. rectified: whether a function rectifies the features; then this head does.
    """

    def __init__(self, channels: int, classes: int, activation: Activation, attached: bool, rectified: bool) -> None:
        super().__init__(channels, classes, activation, attached)
        self.rectified = rectified

    def forward(self, features: Tensor) -> Tensor:
        """(N,L,h,w) -> (N,C,1,1), not negative."""
        return -super().forward(features.relu() if self.rectified else features)


class Negative(nn.Module):
    """−x."""

    def forward(self, x: Tensor) -> Tensor:
        """(…) -> (…)."""
        return -x
