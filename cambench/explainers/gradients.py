"""Explanations in the space of the input: the gradient of the target's scalar, and rules on it.

The rules see the input as the activation, x (N,3,H,W) and g = ∂S/∂x (N,3,H,W) -> (N,H,W), raw and signed. They sum over
the colours, which keeps them linear in the target; papers that take max |·| over colours say so in their own entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from cambench.vocabulary import UsageError

Coefficients = Callable[[Tensor], Tensor]
"""logits (N,C) -> detached v (N,C)."""


def gradient(x: Tensor, g: Tensor) -> Tensor:
    """Σ_colour g. Source: Simonyan et al. 2014, before its absolute value and maximum."""
    return g.sum(1)


def largest_gradient(x: Tensor, g: Tensor) -> Tensor:
    """S = max_colour |g|; not linear in the target. Source: Simonyan et al. 2014; authors' code (CALM protocol §1.7)."""
    return g.abs().amax(1)


def input_x_gradient(x: Tensor, g: Tensor) -> Tensor:
    """Σ_colour x ⊙ g, x normalised as the network sees it. Source: Shrikumar et al. 2016; Wang & Wang 2022, §4."""
    return (x * g).sum(1)


def input_gradient(predict: Callable[[Tensor], Tensor], x: Tensor, coefficients: Coefficients) -> tuple[Tensor, Tensor]:
    """∂S/∂x of S = Σ_c v_c·y_c with y = predict(x) and v = coefficients(y) detached.

    x (N,3,H,W) -> gradient (N,3,H,W), logits (N,C), both detached and in at least float32.
    """
    leaf = (x.clone() if x.is_inference() else x.detach()).requires_grad_()
    logits = predict(leaf)
    return differentiated((coefficients(logits.detach()) * logits).sum(), leaf, "input"), logits.detach()


def differentiated(score: Tensor, at: Tensor, place: str, *, again: bool = False) -> Tensor:
    """∂S/∂A of the scalar S at a tensor, which the error names by its place; `again`: the graph is kept for another score.

    Raises: UsageError where no graph leads from the one to the other.
    """
    return all_differentiated(score, [at], place, again=again)[0]


def all_differentiated(score: Tensor, at: Sequence[Tensor], place: str, *, again: bool = False) -> list[Tensor]:
    """The same at several tensors, in one backward pass. Raises: as `differentiated`."""
    there = score.requires_grad
    gradients = torch.autograd.grad(score, at, allow_unused=True, retain_graph=again) if there else [None] * len(at)
    given = [gradient for gradient in gradients if gradient is not None]
    if len(given) < len(at):
        raise UsageError(
            f"{place}: expected a gradient of the logits, got none: the network's forward cuts it (torch.no_grad(), "
            "detach), or nothing above uses it; mend the forward, or use an explainer without gradients (random, center)."
        )
    return given
