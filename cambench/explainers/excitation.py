"""Excitation backprop: how relevance passes down through one operation, and which operations there are.

Relevance R has the shape of the value it belongs to. With x ≥ 0 and W₊x > 0 everywhere, ΣR is the same at every depth.
Source: CGC protocol §2.5 (authors' code), after Zhang et al. 2016, "Top-down Neural Attention by Excitation Backprop".
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

EPSILON = 1e-20

Value = Callable[..., Tensor]
Down = Callable[..., tuple[Tensor, ...]]


@dataclass(frozen=True)
class Operation:
    """One operation: value(*inputs) -> output; down(R of the output, *inputs) -> R of each input.

    opposite: `down` with negated weights, for a layer that has weights.
    """

    value: Value
    down: Down
    opposite: Down | None = None


def through_weights(linear: Value, relevance: Tensor, x: Tensor) -> tuple[Tensor]:
    """R_in = x ⊙ W₊ᵀ( R_out / (W₊x + 1e-20) ); linear: x -> W₊x.

    Where W₊x is exactly 0 every term x_i·W₊_ij is 0 too (x ≥ 0), so nothing is passed there; dividing by 1e-20 first would
    give the same in exact arithmetic, and rounding errors of 10¹² with fast convolutions.
    """
    leaf = x.detach().requires_grad_()
    with torch.enable_grad():
        excitation = linear(leaf)
    share = torch.where(excitation == 0, 0, relevance / (excitation.detach() + EPSILON))
    (gradient,) = torch.autograd.grad(excitation, leaf, share)
    return (x * gradient,)


def through_relu(relevance: Tensor, x: Tensor) -> tuple[Tensor]:
    """R_in = R_out where x > 0, else 0."""
    return (relevance * (x > 0),)


def through_sum(relevance: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Each branch gets its share (branch / sum)·R_out, negative ones too; no epsilon, so a sum of exactly 0 gives NaN."""
    return a / (a + b) * relevance, b / (a + b) * relevance


def unchanged(relevance: Tensor, x: Tensor) -> tuple[Tensor]:
    """R_in = R_out, in the shape of the input."""
    return (relevance.reshape(x.shape),)


def positive(module: nn.Module, sign: int, call: Value) -> Value:
    """x -> W₊x of a layer with W₊ = max(sign·W, 0) and no bias; `call` applies a layer to x."""

    def apply(x: Tensor) -> Tensor:
        own = dict(module.named_parameters())
        weights = {"weight": (sign * own["weight"].detach()).clamp(min=0)}
        if "bias" in own:
            weights["bias"] = torch.zeros_like(own["bias"])
        return call(lambda y: functional_call(module, weights, (y,)), x)

    return apply


def plain(layer: Value, x: Tensor) -> Tensor:
    """The layer as it is."""
    return layer(x)


def on_channels(layer: Value, x: Tensor) -> Tensor:
    """A linear layer as a 1×1 convolution: (N,K,p,q) -> (N,C,p,q)."""
    return layer(x.movedim(1, -1)).movedim(-1, 1)


def weighted(module: nn.Module, call: Value = plain) -> Operation:
    """A convolution or linear layer."""
    down, opposite = (partial(through_weights, positive(module, sign, call)) for sign in (1, -1))
    return Operation(partial(call, module), down, opposite)


def pooling(pool: Value) -> Operation:
    """A pool is a linear map with non-negative weights; a max-pool chooses one input a window."""
    return Operation(pool, partial(through_weights, pool))


RELU = Operation(torch.relu, through_relu)
SUM = Operation(torch.add, through_sum)
FLATTEN = Operation(partial(torch.flatten, start_dim=1), unchanged)
CELLS = Operation(lambda x: x.flatten(1)[:, :, None, None], unchanged)
SAME = Operation(lambda x: x, unchanged)

PASSING = (nn.BatchNorm2d, nn.Dropout, nn.Dropout2d, nn.Identity)
AVERAGES = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
AVERAGING = (functional.avg_pool2d, functional.adaptive_avg_pool2d)
POOLS = (functional.max_pool2d, functional.adaptive_max_pool2d, *AVERAGING)


def of_module(module: nn.Module) -> Operation | None:
    """The operation of a module, by its exact type: a subclass may compute anything."""
    kind = type(module)
    if kind is nn.Conv2d or kind is nn.Linear:
        return weighted(module)
    if kind in (nn.MaxPool2d, nn.AdaptiveMaxPool2d, *AVERAGES):
        return pooling(module)
    if kind in PASSING:
        return Operation(module, unchanged)
    return {nn.ReLU: RELU, nn.Flatten: FLATTEN}.get(kind)  # type: ignore[call-overload, no-any-return]


def of_call(target: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> Operation | None:
    """The operation of a function, or of a tensor's method by its name; `arguments` are those after the tensors."""
    if target in POOLS:
        return pooling(lambda x: target(x, *arguments, **options))
    if is_mean(target, arguments, options):
        return pooling(lambda x: x.mean((2, 3)))
    if target is functional.dropout and not {**dict(zip(("p", "training"), arguments, strict=False)), **options}["training"]:
        return SAME
    if target in (torch.flatten, "flatten") and (*arguments, *options.values()) == (1,):
        return FLATTEN
    if target in (torch.relu, functional.relu, "relu", "relu_"):
        return RELU
    sums = (operator.add, operator.iadd, torch.add, "add", "add_")
    return SUM if target in sums and not arguments and not options else None


def is_mean(target: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> bool:
    """Whether a call is the mean over both axes of a map."""
    given = {**dict(zip(("dim", "keepdim"), arguments, strict=False)), **options}
    dims = given.get("dim")
    return target in (torch.mean, "mean") and isinstance(dims, list | tuple) and {d % 4 for d in dims} == {2, 3}
