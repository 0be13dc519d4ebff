"""Correlation of paired numbers, Pearson's and Spearman's, row by row."""

from __future__ import annotations

import torch
from scipy.stats import rankdata
from torch import Tensor


def pearson(a: Tensor, b: Tensor) -> Tensor:
    """r = Σ(a − ā)(b − b̄) / √(Σ(a − ā)²·Σ(b − b̄)²) over the last dimension, in float64: (…,D), (…,D) -> (…).

    NaN where one of the two does not vary: who asks says what becomes of it.
    """
    u, v = (x.double() - x.double().mean(-1, keepdim=True) for x in (a, b))
    r = (u * v).sum(-1) / (u.square().sum(-1) * v.square().sum(-1)).sqrt()
    return torch.where(varies(a) & varies(b), r.clamp(-1, 1), torch.nan)


def spearman(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's r of the ranks, equal values sharing their mean rank: (…,D), (…,D) -> (…) float64 on the CPU."""
    return pearson(*(torch.from_numpy(rankdata(x.cpu().numpy(), axis=-1)) for x in (a, b)))


def varies(x: Tensor, tolerance: float = 0.0) -> Tensor:
    """Whether the values of the last dimension differ by more than a share of the largest |x|: (…,D) -> (…) bool."""
    return x.amax(-1) - x.amin(-1) > tolerance * x.abs().amax(-1)
