"""Cross-entropy of a classifier."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean negative log probability of the label: L = mean_i (logsumexp_c y_ic − y_i,label(i)).

    Source: CGC §3, L_CE. logits (N,C), labels (N,) int64 -> () in nats.
    Departure: half-precision logits are taken to float32 first.
    """
    with torch.autocast(logits.device.type, enabled=False):
        return functional.cross_entropy(logits if logits.dtype == torch.float64 else logits.float(), labels)
