"""Intersection over union of a segmentation, class by class over the whole data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from cambench.metrics.asked import checked
from cambench.vocabulary import IGNORED, CambenchError


def measure(image: Tensor, regions: Tensor, segment: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """Pixels of each image that prediction and truth share, and that either has, class by class.

    Source: ContrastiveCAM protocol §3, segmentation chart. Pixels that are ignored count for nothing.
    image (N,3,H,W); regions (N,H,W): class of a pixel, −1 none, −2 ignored;
    segment: image -> scores (N,C+1,H,W), channel 0 for none -> {"intersection", "union": (N,C+1) int64}, column 0 for none.
    Raises: CambenchError for scores that are not finite.
    """
    scores = checked(segment(image), "pixel scores")
    count = scores.shape[1]
    regions = regions.to(scores.device)
    known, truth = (regions != IGNORED).flatten(1)[..., None], regions.clamp(min=-1) + 1
    predicted, true = (one_hot(x.flatten(1), count).bool() & known for x in (scores.argmax(1), truth))
    return {"intersection": (predicted & true).sum(1), "union": (predicted | true).sum(1)}


def by_class(columns: Mapping[str, Tensor]) -> Tensor:
    """IoU_c = Σ intersection / Σ union over the images: (C+1,), background first, NaN for a class nobody shows or says."""
    shared, either = (columns[name].sum(0).double() for name in ("intersection", "union"))
    return torch.where(either > 0, shared / either.clamp(min=1), torch.nan)


def mean(columns: Mapping[str, Tensor]) -> dict[str, float]:
    """The mean over the classes that somebody shows or says, without and with the background.

    Raises: CambenchError where there is none.
    """
    iou = by_class(columns)
    objects = iou[1:][iou[1:].isfinite()]
    if not len(objects):
        raise CambenchError("segmentation-iou: expected a pixel of a class in truth or prediction, got none.")
    return {"": float(objects.mean()), "with-background": float(iou[iou.isfinite()].mean())}
