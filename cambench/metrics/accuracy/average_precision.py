"""Mean average precision (AP) over classes, for images that show several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cambench.metrics.asked import Predict, checked
from cambench.vocabulary import CambenchError


@torch.no_grad()
def measure(predict: Predict, image: Tensor, labels: Sequence[tuple[int, ...]]) -> dict[str, Tensor]:
    """The logits, and which classes the image shows. image (N,3,H,W), labels: N tuples -> columns scores, truths (N,C).

    Raises: CambenchError for logits that are not finite.
    """
    scores = checked(predict(image), "average precision")
    truths = torch.zeros(scores.shape, dtype=torch.bool)
    for n, classes in enumerate(labels):
        truths[n, list(classes)] = True
    return {"scores": scores, "truths": truths}


def average_precision(scores: Tensor, truths: Tensor) -> Tensor:
    """AP_c = Σ_n (R_n − R_{n−1})·P_n over the distinct scores of class c in decreasing order: not interpolated.

    Source: Table 4 with our choice (ContrastiveCAM protocol §3), as scikit-learn's. Images of one score enter together.
    scores, truths (N,C) -> (C,) float64, NaN for a class without a positive.
    """
    n = len(scores)
    ordered, order = scores.sort(dim=0, descending=True)
    true = truths.gather(0, order).double()
    last = torch.ones_like(ordered, dtype=torch.bool)
    last[:-1] = ordered[:-1] != ordered[1:]
    place = torch.arange(n, device=scores.device)[:, None].expand_as(ordered)
    end = torch.where(last, place, n - 1).flip(0).cummin(0).values.flip(0)
    precision = true.cumsum(0).gather(0, end) / (end + 1)
    return (true * precision).sum(0) / true.sum(0)


def mean(columns: Mapping[str, Tensor]) -> dict[str, float]:
    """The mean over the classes that any image shows. Raises: CambenchError where none does."""
    by_class = average_precision(columns["scores"], columns["truths"])
    seen = columns["truths"].any(0)
    if not bool(seen.any()):
        raise CambenchError("average precision: expected an image that shows a class, got none; check the data's labels.")
    return {"": float(by_class[seen].mean())}
