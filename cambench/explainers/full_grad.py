"""FullGrad: the gradient of the input, and of every bias on the way, each at its own place."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from cambench.explainers.forward import predict
from cambench.explainers.gradients import input_gradient
from cambench.explainers.probe import frozen
from cambench.explainers.probing.modes import hooked
from cambench.explainers.query import Query
from cambench.maps import min_max, resize, widened


def full_grad(value: Tensor, gradient: Tensor, *, scale: Literal["channel", "layer"] = "channel") -> Tensor:
    """Σ_k ψ(value_k ⊙ G_k) of the input, and of the biases of a layer, ψ = minmax |·|; the layers' sum is the map.

    The absolute value and the scaling stand inside the sums and stay. scale `layer`: minmax over all channels at once, as
    the authors' code. Source: Srinivas & Fleuret 2019, Full-Gradient Representation. value (N,K,h,w), or (K,1,1) of
    a bias, gradient (N,K,h,w) of the layer's output -> (N,h,w), never negative.
    """
    terms = (value * gradient).abs()
    if scale == "channel":
        return min_max(terms.flatten(0, 1)).view_as(terms).sum(1)
    return min_max(terms.flatten(1, 2)).view_as(terms).sum(1)


def bias_of(module: nn.Module) -> Tensor | None:
    """What a module adds to each channel (K,): a convolution's bias, or β − γ·μ/√(σ² + ε) of a batch norm in eval mode.

    None where it adds nothing. Source: Srinivas & Fleuret 2019, the implicit biases of batch norms.
    """
    from torchvision.ops import FrozenBatchNorm2d  # takes seconds to import

    if isinstance(module, nn.Conv2d):
        return None if module.bias is None else module.bias.detach()
    state = dict([*module.named_buffers(recurse=False), *module.named_parameters(recurse=False)])
    if not isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d) or "running_var" not in state:
        return None
    slope = torch.rsqrt(state["running_var"] + module.eps) * state.get("weight", 1)
    return (state.get("bias", torch.zeros_like(slope)) - slope * state["running_mean"]).detach()


def of_biases(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """rule(value, gradient) of the images (N,3,H,W) and of every bias (K,1,1), resized to the images' size and summed.

    The gradient of a bias is that of its layer's output (N,K,h,w). A whole backward pass, without gradients of parameters.
    Raises: as `Query.refuse_training`: the batch norms of a network in train mode have no biases of their own.
    """
    query.refuse_training()
    pieces: list[Tensor] = []

    def term(value: Tensor, gradient: Tensor) -> None:
        piece = resize(query.explainer.rule(widened(value), widened(gradient)), (images.shape[2], images.shape[3]))
        pieces[:] = [piece if not pieces else pieces[0] + piece]

    def watch(bias: Tensor) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(module: nn.Module, arguments: Any, output: Tensor) -> None:
            if output.requires_grad:
                output.register_hook(partial(term, bias[:, None, None]))  # type: ignore[no-untyped-call]

        return hook

    biases = {module: bias for module in model.modules() if (bias := bias_of(module)) is not None}
    of_target = partial(query.coefficients, classes=classes)
    with torch.enable_grad(), frozen(model), hooked({module: watch(bias) for module, bias in biases.items()}):
        gradient, logits = input_gradient(partial(predict, model, precision=query.precision), images, of_target)
    term(images, gradient)
    return pieces[0], logits
