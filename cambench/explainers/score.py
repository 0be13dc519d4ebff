"""The scalar S of a target as a function of a layer's map: its value, its gradient, its curvature, its drops.

One forward pass serves every explainer of the layer. A head of global average pooling + one linear layer, y = W·mean_hw(A) +
b, needs no graph: G = v·W/(h·w) at every cell.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import linear

from cambench.explainers.above import Above
from cambench.explainers.forward import named, predict
from cambench.explainers.gradients import differentiated
from cambench.explainers.probe import Probe
from cambench.maps import widened
from cambench.targets import find_target, scalar
from cambench.vocabulary import UsageError

CHANNELS = 64
"""Maps of one image with a channel less that the head sees at once."""


@dataclass(frozen=True)
class Pass:
    """A forward pass of images (N,3,H,W): a layer's map A (N,K,h,w), logits (N,C) with their graph or a GAP + linear head.

    above: what gives the logits of other maps, where an explainer asks for them. last: v (N,C) and its ∂(Σ v·y)/∂A.
    """

    images: Tensor
    activation: Tensor
    logits: Tensor
    layer: str
    head: nn.Linear | None = None
    above: Above | None = None
    last: list[Tensor] = field(default_factory=list)

    @property
    def linear(self) -> tuple[Tensor, Tensor | None]:
        """W (C,K) and b (C,) of the GAP + linear head."""
        assert self.head is not None
        bias = self.head.bias
        return widened(self.head.weight.detach()), None if bias is None else widened(bias.detach())

    def again(self, activation: Tensor, rows: slice = slice(None)) -> Tensor:
        """y(A), the logits (M,C) for other maps (M,K,h,w) of images[rows], which are M or one.

        Raises: UsageError as `Above.logits`, and of a network in train mode.
        """
        if self.head is not None:
            return linear(activation.mean((2, 3)), *self.linear)
        if self.above is None:
            raise UsageError(f"layer {self.layer}: expected a network in eval mode, got train mode; its head runs again.")
        return self.above.logits(activation, rows)

    def gradient(self, v: Tensor) -> Tensor:
        """∂(Σ_c v_c·y_c)/∂A (N,K,h,w), kept for who asks next; a number a channel where the head is GAP + linear.

        Raises: UsageError where no graph leads from the logits to the map.
        """
        if self.head is not None:
            cells = self.activation.shape[2] * self.activation.shape[3]
            return (v @ self.linear[0] / cells)[..., None, None].expand(self.activation.shape)
        if not self.last or not torch.equal(self.last[0], v):
            score = (v * self.logits).sum()
            self.last[:] = [v, differentiated(score, self.activation, f"layer {self.layer}", again=True)]
        return self.last[1]

    @cached_property
    def without(self) -> Tensor:
        """The logits (N,K,C) of each image without one channel, A_k = 0; with a GAP + linear head y − W_k·mean_hw(A_k)."""
        activation = self.activation.detach()
        if self.head is not None:
            return self.logits.detach()[:, None] - activation.mean((2, 3))[..., None] * self.linear[0].T
        images = []
        for n, whole in enumerate(activation):
            pieces = []
            for channels in torch.split(torch.arange(len(whole), device=whole.device), CHANNELS):
                maps = whole.expand(len(channels), *whole.shape).clone()
                maps[torch.arange(len(channels), device=whole.device), channels] = 0
                pieces.append(self.again(maps, slice(n, n + 1)))
            images.append(torch.cat(pieces))
        return torch.stack(images)


def look(
    model: nn.Module,
    images: Tensor,
    layer: str | None,
    head: nn.Linear | None,
    precision: str,
    *,
    graph: bool,
    again: bool,
) -> Pass:
    """One forward pass of images (N,3,H,W), with a graph from the layer on where there is to be one.

    again: an explainer will ask for the logits of other maps. Raises: UsageError for a layer that is not there or no map.
    """
    with torch.set_grad_enabled(graph), Probe(model, named(layer), guard=head is None) as probe:
        above = Above(probe) if again and head is None else None
        with nullcontext() if above is None else above.watching(images):
            logits = predict(model, images, precision)
        return Pass(images, probe.activation, logits, probe.layer, head, above)


@dataclass(frozen=True)
class Score:
    """S(A) of each image, of a target whose coefficients at the images are v (N,C) for the classes (N,)."""

    seen: Pass
    v: Tensor
    classes: Tensor
    target: str

    def of(self, logits: Tensor) -> Tensor:
        """S (M·N,) at other logits (M·N,C), M of each image, one image after the other."""
        rows = torch.arange(len(self.v), device=logits.device).repeat_interleave(len(logits) // len(self.v))
        return scalar(logits, self.target, self.v[rows], self.classes[rows])

    @property
    def value(self) -> Tensor:
        """S (N,) of the images."""
        return self.of(self.seen.logits.detach())

    @property
    def gradient(self) -> Tensor:
        """G = ∂S/∂A (N,K,h,w). Raises: as `Pass.gradient`."""
        return self.seen.gradient(self.v)

    @property
    def curvature(self) -> Tensor:
        """H·A (N,K,h,w), the product of the Hessian ∂²S/∂A² with A: the derivative of G along A, 0 where G is constant."""
        leaf = self.seen.activation.detach().requires_grad_()
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no second derivative
            score = self.of(self.seen.again(leaf)).sum()
            (gradient,) = torch.autograd.grad(score, leaf, create_graph=True)
            if not gradient.requires_grad:
                return torch.zeros_like(leaf)
            (product,) = torch.autograd.grad(gradient, leaf, leaf.detach(), allow_unused=True)
        return torch.zeros_like(leaf) if product is None else product

    @property
    def drops(self) -> Tensor:
        """S − S_k (N,K), what S loses without each channel: (v·W)_k·mean_hw(A_k) of a contrast and a GAP + linear head."""
        if self.seen.head is not None and not find_target(self.target)[0].anew:
            return (self.v @ self.seen.linear[0]) * self.seen.activation.detach().mean((2, 3))
        with torch.no_grad():
            n, k, _ = self.seen.without.shape
            return self.value[:, None] - self.of(self.seen.without.flatten(0, 1)).view(n, k)
