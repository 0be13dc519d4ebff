"""Gradients of the input that pass a ReLU otherwise than by its own derivative: guided backpropagation, deconvnet.

The forward pass is the network's own, and nothing is registered in it: for as long as the context lasts every call of a
ReLU or ReLU6 is answered here, be it a module's or a function's (`torch.relu`, as in torchvision's DenseNet).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from cambench.maps import resize
from cambench.vocabulary import UsageError

Passing = Callable[[Tensor, Tensor], Tensor]
"""Whether a ReLU was open (…) bool, the gradient of its output (…) -> that of its input."""

RELUS: dict[Callable[..., Any], float] = {
    **dict.fromkeys((torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, functional.relu), math.inf),
    functional.relu6: 6.0,
}
"""The functions that rectify, each with its upper bound; nn.ReLU6 calls `hardtanh` with both its bounds."""
IN_PLACE = {torch.relu_, Tensor.relu_}
OTHERS = {
    *(functional.silu, functional.gelu, functional.hardswish, functional.mish, functional.softplus, functional.leaky_relu),
    *(functional.elu, functional.selu, functional.celu, functional.prelu, functional.rrelu),
}
"""Activation functions whose gradient neither method says how to pass."""


def guided(is_open: Tensor, gradient: Tensor) -> Tensor:
    """1[a > 0]·max(0, R): what a ReLU let through, where it speaks for the class. Source: Springenberg et al. 2015, §4."""
    return gradient.clamp(min=0) * is_open


def deconvnet(is_open: Tensor, gradient: Tensor) -> Tensor:
    """max(0, R): rectified on the way back as on the way there, wherever the ReLU was open.

    Source: Zeiler & Fergus 2014, §2.1, in the terms of Springenberg et al. 2015, §4. Where a max pool sends it follows
    from the image, as there.
    """
    return gradient.clamp(min=0)


def guided_grad_cam(gradient: Tensor, cam: Tensor) -> Tensor:
    """Σ_colour g ⊙ U(max(0, L)): guided backpropagation where Grad-CAM is positive, U bilinear to the image's size.

    Source: Selvaraju et al. 2017, §3.2. Its ReLU stands here, since the product of two negatives would speak for the
    class. g (N,3,H,W) of the input, L (N,h,w) Grad-CAM's raw map -> (N,H,W).
    """
    return gradient.sum(1) * resize(cam.clamp(min=0), (gradient.shape[2], gradient.shape[3]))


class Rectified(torch.autograd.Function):
    """min(max(0, a), most), whose gradient passes by a rule of its own."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, most: float, passing: Passing) -> Tensor:
        """The rectified a."""
        ctx.save_for_backward((a > 0) & (a < most))
        ctx.passing = passing
        return a.clamp(min=0, max=most)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """The gradient of a, as the rule passes it."""
        return ctx.passing(ctx.saved_tensors[0], gradients[0]), None, None


class Rectifiers(TorchFunctionMode):
    """Within `with`, every ReLU and ReLU6 passes its gradient by a rule.

    Raises: UsageError for another activation function.
    """

    def __init__(self, passing: Passing, name: str) -> None:
        super().__init__()
        self.passing, self.name, self.count = passing, name, 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """A call of any function of torch inside."""
        kwargs = kwargs or {}
        if function in OTHERS:
            raise self.error(function.__name__)
        names = ("input", "min_val", "max_val", "inplace") if function is functional.hardtanh else ("input", "inplace")
        given: dict[str, Any] = {**dict(zip(names, args, strict=False)), **kwargs}
        most = RELUS.get(function, given.get("max_val") if given.get("min_val") == 0 else None)
        if most is None:
            return function(*args, **kwargs)
        return self.rectified(given["input"], most, function in IN_PLACE or bool(given.get("inplace")))

    def rectified(self, a: Tensor, most: float, in_place: bool) -> Tensor:
        """The rectified a, written over it where the network's own call does so."""
        self.count += 1
        made: Tensor = Rectified.apply(a, most, self.passing)
        return a.copy_(made) if in_place else made

    def error(self, got: str) -> UsageError:
        """What a network without, or not only with, ReLUs is answered."""
        return UsageError(
            f"{self.name}: expected a network whose activation functions are ReLU or ReLU6, got {got}; use gradient."
        )


@contextmanager
def rectifying(passing: Passing | None, name: str) -> Iterator[None]:
    """The forward pass inside has ReLUs that pass their gradient by a rule; None: by their own derivative.

    Raises: UsageError, naming the explainer, for a network of other activation functions, or of none.
    """
    if passing is None:
        yield
        return
    with Rectifiers(passing, name) as mode:
        yield
    if not mode.count:
        raise mode.error("none")
