"""How near an image's features stay to those of what its map shows, beside how far apart the classes lie."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cambench.vocabulary import CambenchError


class Closeness(NamedTuple):
    """own: the mean distance of an image to its own masked version; between: of two classes' centroids; their ratio."""

    own: float
    between: float
    ratio: float


def closeness(original: Tensor, masked: Tensor, labels: Tensor) -> Closeness:
    """r = mean_i ‖f_i − f'_i‖ / mean_{a<b} ‖μ_a − μ_b‖, μ_c the mean of the f_i of class c; f' those of the masked images.

    Source: ExCon protocol §2.4, the companion of Figures 1, 6, 7, 8, our choice; the claim is that it is lower for
    ExCon. The centroids are those of the original images alone, our choice too. original, masked (N,d), labels (N,) ->
    float64.
    Raises: CambenchError for shapes that do not fit, features that are not finite, fewer than two classes, or classes that
    lie all in one point.
    """
    if original.ndim != 2 or masked.shape != original.shape or labels.shape != original.shape[:1]:
        shapes = f"{tuple(original.shape)}, {tuple(masked.shape)} and {tuple(labels.shape)}"
        raise CambenchError(f"closeness: expected features (N,d), the same of masked images and labels (N,), got {shapes}.")
    before, after = original.double(), masked.double()
    if not bool(torch.isfinite(before).all() and torch.isfinite(after).all()):
        raise CambenchError("closeness: expected finite features, got NaN or infinity.")
    classes = sorted(set(labels.tolist()))
    if len(classes) < 2:
        raise CambenchError(f"closeness: expected images of at least two classes, got {len(classes)}.")
    own = float((before - after).norm(dim=1).mean())
    between = float(torch.pdist(torch.stack([before[labels == c].mean(0) for c in classes])).mean())
    if between == 0:
        raise CambenchError("closeness: expected classes with different features, got the same centroid for all.")
    return Closeness(own, between, own / between)
