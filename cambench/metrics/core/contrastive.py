"""What the metrics on ContrastiveCAMs share: a class against the others, rules that make a map a region, their overlap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from cambench.contrastive import contrastive_maps
from cambench.vocabulary import CambenchError

Score = Literal["iou", "dice"]


def contrastive(class_maps: Tensor, label: Tensor) -> Tensor:
    """D_(ct,c) = CAM_ct − CAM_c for the C−1 other classes c ≠ ct, in their order.

    class_maps (N,C,h,w), label (N,) -> (N,C−1,h,w).
    Raises: CambenchError for a single class, to which nothing stands in contrast.
    """
    n, classes, *grid = class_maps.shape
    if classes < 2:
        raise CambenchError(f"contrastive maps: expected maps of at least 2 classes, got {classes}.")
    others = torch.ones(n, classes, dtype=torch.bool, device=class_maps.device)
    others[torch.arange(n, device=class_maps.device), label] = False
    return contrastive_maps(class_maps, label)[others].view(n, classes - 1, *grid)


def relative(share: float) -> Callable[[Tensor], Tensor]:
    """The rule max(0, M) / max M ≥ share: cells that reach a share of the largest. maps (N,h,w) -> (N,h,w) bool."""

    def rule(maps: Tensor) -> Tensor:
        return maps.clamp(min=0) >= share * maps.amax((1, 2), keepdim=True)

    return rule


def sign(maps: Tensor) -> Tensor:
    """The rule M > 0. maps (N,h,w) -> (N,h,w) bool."""
    return maps > 0


def otsu(maps: Tensor) -> Tensor:
    """Otsu's rule on max(0, M): the upper of the two groups whose means lie furthest apart, n₀·n₁·(μ₁ − μ₀)² largest.

    Source: Otsu 1979, over the values themselves in place of a histogram; the lowest of equally good thresholds.
    maps (N,h,w) -> (N,h,w) bool.
    """
    flat = maps.clamp(min=0).flatten(1).double()
    ordered = flat.sort(dim=1).values
    cells = ordered.shape[1]
    if cells < 2:
        return torch.zeros_like(maps, dtype=torch.bool)
    below = ordered.cumsum(1)[:, :-1]
    lower = torch.arange(1, cells, device=maps.device)
    upper = cells - lower
    between = lower * upper * ((ordered.sum(1, keepdim=True) - below) / upper - below / lower).square()
    splits = ordered[:, 1:] > ordered[:, :-1]
    best = torch.where(splits, between, -1.0).argmax(1, keepdim=True)
    return (flat > ordered.gather(1, best)).view_as(maps)


RULES: dict[str, Callable[[Tensor], Tensor]] = {
    "0.5": relative(0.5),
    "sign": sign,
    "0.1": relative(0.1),
    "0.2": relative(0.2),
    "0.3": relative(0.3),
    "otsu": otsu,
}
"""Name -> raw map to predicted region. The paper states none; 0.5 is its table's here (ContrastiveCAM protocol §2)."""


def predicted(maps: Tensor, rule: str) -> Tensor:
    """The region that a map points at, by a rule; nothing where none is positive, or all equal (ContrastiveCAM protocol §7).

    maps (N,h,w), raw -> (N,h,w) bool.
    """
    high, low = maps.amax((1, 2), keepdim=True), maps.amin((1, 2), keepdim=True)
    return RULES[rule](maps) & (high > 0) & (high > low)


def overlap(one: Tensor, other: Tensor, score: Score = "iou", epsilon: float = 0.0) -> Tensor:
    """|one ∩ other| / |one ∪ other|, or for `dice` 2·|one ∩ other| / (|one| + |other|); epsilon is added to both sides.

    Source of the second: Dice 1945. (N,h,w) bool each -> (N,) float64, NaN where both are empty and epsilon is 0.
    """
    shared, either = (one & other).sum((1, 2)).double(), (one | other).sum((1, 2)).double()
    if score == "dice":
        shared, either = 2 * shared, shared + either
    return (shared + epsilon) / (either + epsilon)
