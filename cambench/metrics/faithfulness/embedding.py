"""How near an image's features stay to those of what its map shows, and to its class's, beside how far classes lie apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from cambench import maps
from cambench.metrics.asked import Explain, Predict, checked
from cambench.metrics.faithfulness.drop_increase import STEPS, keep
from cambench.metrics.faithfulness.remove_and_classify import ranks
from cambench.vocabulary import CambenchError

KEPT = 0.60
"""Share of the pixels that the map shows. Source: ExCon's authors' code (ExCon protocol §2.4)."""
VARIANTS = ("own-mask", "own-class")


class Centroids(NamedTuple):
    """means: class -> the mean (d,) float64 of its images' features, on the CPU; apart: the mean distance of two of them."""

    means: Mapping[int, Tensor]
    apart: float


def measure(
    image: Tensor,
    label: Tensor,
    predict: Predict,
    explain: Explain,
    features: Callable[[Tensor], Tensor],
    centroids: Centroids,
    *,
    kept: float = KEPT,
) -> dict[str, Tensor]:
    """The distances of `relative` for images and for what the map of their predicted class shows of them.

    image (N,3,H,W) normalised, label (N,); features: image -> (N,d), what the linear classifier is fed with; centroids:
    those of all images of the split -> variant: (N,) float64. Four forward passes and a map an image, one of them for the
    centroids. Raises: CambenchError for logits, maps or features that are not finite.
    """
    raw = checked(explain(image, checked(predict(image), "logits").argmax(1)), "maps of the predicted class")
    original, masked = (features(x).cpu() for x in (image, twin(image, raw, kept)))
    return relative(original, masked, label.cpu(), centroids)


def twin(image: Tensor, raw: Tensor, kept: float = KEPT) -> Tensor:
    """The floor(kept·H·W) pixels of an image (N,3,H,W) that rank highest in its map (N,h,w), resized; the others 0."""
    return keep(image, ranks(maps.apply(raw, STEPS, (image.shape[2], image.shape[3]))), kept)


def centroids(batches: Iterable[tuple[Tensor, Tensor]]) -> Centroids:
    """The classes' mean features, from features (n,d) and labels (n,) of every image, batch by batch.

    Raises: CambenchError for features that are not finite, fewer than two classes, or classes that lie all in one point.
    """
    sums: dict[int, Tensor] = {}
    counts: dict[int, int] = {}
    for features, labels in batches:
        rows, of = checked(features.cpu().double(), "features"), labels.cpu()
        for c in set(of.tolist()):
            own = rows[of == c]
            sums[c], counts[c] = sums.get(c, 0) + own.sum(0), counts.get(c, 0) + len(own)
    if len(sums) < 2:
        raise CambenchError(f"features: expected images of at least two classes, got {len(sums)}.")
    means = {c: sums[c] / counts[c] for c in sorted(sums)}
    apart = float(torch.pdist(torch.stack(list(means.values()))).mean())
    if apart == 0:
        raise CambenchError("features: expected classes with different features, got the same centroid for all.")
    return Centroids(means, apart)


def relative(original: Tensor, masked: Tensor, labels: Tensor, classes: Centroids) -> dict[str, Tensor]:
    """own-mask: ‖f_i − f'_i‖ / D; own-class: ‖f_i − μ_{y_i}‖ / D; D = mean_{a<b} ‖μ_a − μ_b‖, f' of the masked image.

    Source: ExCon protocol §2.4, numbers beside Figures 1, 6, 7, 8, our choice; the claim is that both are lower for ExCon.
    The centroids μ are those of the original images alone, our choice too. original, masked (N,d), labels (N,) -> (N,)
    float64 each. Raises: CambenchError for shapes that do not fit, or features that are not finite.
    """
    if original.ndim != 2 or masked.shape != original.shape or labels.shape != original.shape[:1]:
        shapes = f"{tuple(original.shape)}, {tuple(masked.shape)} and {tuple(labels.shape)}"
        raise CambenchError(f"features: expected (N,d), the same of masked images and labels (N,), got {shapes}.")
    before, after = checked(original.double(), "features"), checked(masked.double(), "features of masked images")
    own = torch.stack([classes.means[c] for c in labels.tolist()])
    return {
        "own-mask": (before - after).norm(dim=1) / classes.apart,
        "own-class": (before - own).norm(dim=1) / classes.apart,
    }
