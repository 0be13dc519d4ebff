"""Classification accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cambench.metrics.asked import Predict, checked


def top1(predict: Predict, image: Tensor, label: Tensor) -> Tensor:
    """1 where the best class is the label. Source: CGC §4. image (N,3,H,W), label (N,) -> (N,) of 0 and 1.

    Raises: CambenchError for logits that are not finite.
    """
    return hits(predict, image, label, 1)


def top5(predict: Predict, image: Tensor, label: Tensor) -> Tensor:
    """1 where the label is among the five best classes (all, with fewer than five). Source: CGC Table 9.

    Ties fall in the order of `topk`. image (N,3,H,W), label (N,) -> (N,) of 0 and 1.
    Raises: CambenchError for logits that are not finite.
    """
    return hits(predict, image, label, 5)


def top1_any(predict: Predict, image: Tensor, labels: Sequence[tuple[int, ...]]) -> Tensor:
    """1 where the best class is any of those that are right. Source: CGC Table 3, with our unit (CGC protocol §3.6).

    image (N,3,H,W), labels: N tuples -> (N,) of 0 and 1. Raises: CambenchError for logits that are not finite.
    """
    best = checked(predict(image), "accuracy").argmax(1).tolist()
    return torch.tensor([float(b in right) for b, right in zip(best, labels, strict=True)], dtype=torch.float64)


def hits(predict: Predict, image: Tensor, label: Tensor, k: int) -> Tensor:
    """1 where the label is among the k best classes: (N,) float64."""
    return among_best(checked(predict(image), "accuracy"), label, k)


def among_best(logits: Tensor, label: Tensor, k: int) -> Tensor:
    """1 where the label is among the k best of the logits (N,C): (N,) float64; of equal logits the first is the best one."""
    best = torch.sort(logits, dim=1, descending=True, stable=True).indices[:, :k]
    return (best == label.to(best.device)[:, None]).any(1).double()
