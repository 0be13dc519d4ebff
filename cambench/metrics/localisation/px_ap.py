"""PxAP: average precision of a map's pixels as a detector of the object's pixels, pooled over all images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from cambench.maps import within_unit
from cambench.vocabulary import IGNORED, CambenchError

BEYOND = (1.0, 2.0, 3.0)
SCALES: dict[str, np.ndarray] = {  # type: ignore[type-arg]
    "even": np.arange(0, 1, 0.001),
    "log": 10.0 ** -(np.arange(999, -1, -1) * 0.007),
}
"""Thresholds in ascending order: i/1000, or 10^(−0.007·i), below whose smallest a score falls in no bin at all."""
Scale = Literal["even", "log"]


def measure(heatmap: Tensor, label: Tensor, regions: Tensor, *, scale: Scale = "even") -> dict[str, Tensor]:
    """Counts of the object's pixels and of all others in the bins between the thresholds.

    Bins are half-open, the last one closed; edges are the thresholds and 1, 2, 3. Source: Choe et al. 2020 (WSOL benchmark),
    its evaluator; CALM protocol §2.2. heatmap (N,H,W) in [0,1]; regions (N,H,W): the class a pixel shows, −1 none, −2
    ignored -> {"positive": (N,1002) int64, "negative": (N,1002) int64}.
    Raises: CambenchError for maps that leave [0,1].
    """
    edges = np.concatenate([SCALES[scale], BEYOND])
    place = np.searchsorted(edges, within_unit(heatmap, "px-ap").double().cpu().numpy(), side="right") - 1
    positive = (regions == label[:, None, None]).cpu().numpy()
    negative = ~positive & (regions != IGNORED).cpu().numpy()

    def counts(pixels: np.ndarray) -> Tensor:  # type: ignore[type-arg]
        kept = [p[w & (p >= 0)] for p, w in zip(place, pixels, strict=True)]
        return torch.from_numpy(np.stack([np.bincount(k, minlength=len(edges) - 1) for k in kept]))

    return {"positive": counts(positive), "negative": counts(negative)}


def mean(columns: Mapping[str, Tensor]) -> dict[str, float]:
    """The average precision of the counts of all images together. -> {"": AP in 0..1}.

    Raises: CambenchError where no pixel is the object's.
    """
    positive, negative = (columns[name].sum(0) for name in ("positive", "negative"))
    if not bool(positive.any()):
        raise CambenchError("px-ap: expected a pixel of an object that falls in a bin, got none.")
    return {"": float(average_precision(positive, negative))}


def average_precision(positive: Tensor, negative: Tensor) -> Tensor:
    """AP = Σ_{i≥1} precision_i·(recall_i − recall_{i−1}) from the highest bin down: counts (…,1002) -> (…) float64.

    No interpolation; bins above which no pixel lies are skipped. NaN where nothing is positive. Source: as `measure`.
    """
    positive, negative = (counts.flip(-1).cumsum(-1).double() for counts in (positive, negative))
    total = positive + negative
    precision = torch.where(total > 0, positive / torch.where(total > 0, total, 1), 0.0)
    recall = positive / positive[..., -1:]
    return (precision[..., 1:] * recall.diff(dim=-1)).sum(-1)
