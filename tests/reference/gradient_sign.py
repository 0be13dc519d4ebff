"""The gradient-sign experiment of one image of weighted-contrast protocol §2, number by number."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalised(pixels: Tensor) -> Tensor:
    """(3,H,W) in [0,1] -> network input."""
    return torch.stack([(pixels[c] - MEAN[c]) / STD[c] for c in range(3)])


def changes(
    network: Callable[[Tensor], Tensor], v: Callable[[Tensor], Tensor], pixels: Tensor, label: int, epsilon: float, n: int
) -> tuple[dict[str, float], list[Tensor]]:
    """Accuracy, p_t and y_t, after minus before, and every iterate. v: logits (C,) -> coefficients (C,)."""
    x, iterates = pixels.clone(), []
    for _ in range(n):
        leaf = x.clone().requires_grad_()
        y = network(normalised(leaf)[None])[0]
        ((v(y.detach()) * y).sum()).backward()
        assert leaf.grad is not None
        moved = x + epsilon / n * torch.sign(leaf.grad)
        for place in range(x.numel()):
            start = float(pixels.flatten()[place])
            low, high = max(start - epsilon, 0.0), min(start + epsilon, 1.0)
            moved.view(-1)[place] = min(max(float(moved.view(-1)[place]), low), high)
        x = moved
        iterates.append(x)
    before, after = (network(normalised(image)[None])[0].detach() for image in (pixels, x))
    return {
        "accuracy": float(after.argmax() == label) - float(before.argmax() == label),
        "probability": float(torch.softmax(after, 0)[label] - torch.softmax(before, 0)[label]),
        "logit": float(after[label] - before[label]),
    }, iterates
