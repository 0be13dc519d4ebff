"""Gradient-sign perturbation: what accuracy, probability and logit gain along the sign of the gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cambench.metrics.asked import Predict, checked
from cambench.pixels import DEFAULT, Normalisation, to_input, to_pixels

EPSILONS = ("0.001", "0.003")
"""As printed, and as the paper's authors reported to the reproduction that they had used."""
STEPS = (1, 2, 10)
QUANTITIES = ("accuracy", "probability", "logit")
VARIANTS = tuple(f"{epsilon}/{n}/{name}" for epsilon in EPSILONS for n in STEPS for name in QUANTITIES)

Differentiate = Callable[[Tensor, Tensor], Tensor]
"""image (N,3,H,W), classes (N,) -> ∂S/∂image (N,3,H,W)."""


@torch.no_grad()
def measure(
    image: Tensor,
    label: Tensor,
    predict: Predict,
    differentiate: Differentiate,
    normalisation: Normalisation = DEFAULT,
    *,
    printed: bool = False,
) -> dict[str, Tensor]:
    """Change of the label's 0/1 accuracy, p_t and y_t after n steps x ← clip(x + ε/n·sign ∂S/∂x), in pixels of [0,1].

    clip: to [max(x⁰ − ε, 0), min(x⁰ + ε, 1)]; `printed`: to [min(x⁰ − ε, 0), max(x⁰ + ε, 1)], which clips next to nothing.
    Source: Wang & Wang 2022, §5.1 and Figure 3 (weighted-contrast protocol §2). The gradient is taken anew at every
    step, as in the reproduction; the printed formula does not say. Its sign is the same in pixels and in the network's
    input. image (N,3,H,W) normalised, label (N,) -> `ε/n/quantity`: (N,) float64, after minus before.
    Raises: CambenchError for logits or gradients that are not finite.
    """
    start, before = to_pixels(image, *normalisation), quantities(predict(image), label)
    first = sign(differentiate, image, label)
    changes: dict[str, Tensor] = {}
    for epsilon in EPSILONS:
        low, high = bounds(start, float(epsilon), printed)
        for n in STEPS:
            x = start
            for k in range(n):
                way = sign(differentiate, to_input(x, *normalisation), label) if k else first
                x = torch.clip(x + float(epsilon) / n * way, low, high)
            after = quantities(predict(to_input(x, *normalisation)), label)
            changes |= {f"{epsilon}/{n}/{name}": after[name] - before[name] for name in QUANTITIES}
    return changes


def bounds(start: Tensor, epsilon: float, printed: bool) -> tuple[Tensor, Tensor]:
    """Between which pixels every step is clipped; `printed`: as the paper has it, where [0,1] lies inside."""
    low, high = start - epsilon, start + epsilon
    return (low.clamp(max=0), high.clamp(min=1)) if printed else (low.clamp(min=0), high.clamp(max=1))


def sign(differentiate: Differentiate, image: Tensor, label: Tensor) -> Tensor:
    """sign ∂S/∂image, 0 where the gradient is 0."""
    return checked(differentiate(image, label), "gradients").sign()


def quantities(logits: Tensor, label: Tensor) -> dict[str, Tensor]:
    """Whether the label is the best class, its probability, its logit: each (N,) float64."""
    y, t = checked(logits, "logits").double(), label.to(logits.device)[:, None]
    hit = (y.argmax(1) == t[:, 0]).double()
    return dict(zip(QUANTITIES, (hit, torch.softmax(y, 1).gather(1, t)[:, 0], y.gather(1, t)[:, 0]), strict=True))
