"""Top-1 localisation: whether the class is right and a box around the heatmap meets the object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from cambench.maps import within_unit
from cambench.metrics.accuracy.top_k import among_best
from cambench.metrics.asked import Predict, checked
from cambench.metrics.localisation.max_box_acc import curve
from cambench.vocabulary import Box

THRESHOLD = 0.2
"""Of the largest value. Source: Zhou et al. 2016, §3.2."""
IOU = 0.5
VARIANTS = ("", "top5", "gt-known")


def measure(
    predict: Predict,
    image: Tensor,
    heatmap: Tensor,
    label: Tensor,
    box: Sequence[Sequence[Box]],
    *,
    threshold: float = THRESHOLD,
    iou: float = IOU,
) -> dict[str, Tensor]:
    """1[label = best class]·1[max_b IoU(B, b) ≥ ½ (iou)], B the box of the largest contour of M > 0.2·max M (threshold).

    `top5`: the label is among the five best classes. `gt-known`: the box alone. Source: ImageNet's localisation error
    (Russakovsky et al. 2015, §4.2), of which this is 1 minus, with the boxes of Zhou et al. 2016, §3.2. Box, quantising and
    inclusive corners are those of `max_box_acc.curve`; the map is the label's, which is the best class's wherever that is
    right. predict: image -> logits; image (N,3,H,W), heatmap (N,H,W) in [0,1], label (N,), box: N lists of
    (x0, y0, x1, y1) in the map's pixels, any of which may be met -> variant: (N,) of 0 and 1 in float64.
    Raises: CambenchError for maps that leave [0,1], logits that are not finite, or an image without a box.
    """
    known, level = within_unit(heatmap, "top1-localisation").double().cpu(), np.array([threshold])
    best = [curve(own, boxes, "largest", level)[0] for own, boxes in zip(known.numpy(), box, strict=True)]
    logits = checked(predict(image), "logits").cpu()
    meets = torch.tensor([float(overlap >= iou) for overlap in best], dtype=torch.float64)
    right = {"": among_best(logits, label.cpu(), 1), "top5": among_best(logits, label.cpu(), 5)}
    return {**{name: meets * hits for name, hits in right.items()}, "gt-known": meets}
