"""ADCC: average drop, coherency and complexity in one number."""

from __future__ import annotations

from torch import Tensor

from cambench.metrics.accuracy.predictions import Explain, Predict
from cambench.metrics.conciseness import complexity
from cambench.metrics.conciseness.coherency import again, coherence
from cambench.metrics.conciseness.confidence import seen
from cambench.metrics.faithfulness.drop_increase import change

VARIANTS = ("", "average-drop", "average-increase", "coherency", "complexity")


def measure(predict: Predict, image: Tensor, heatmap: Tensor, explain: Explain) -> dict[str, Tensor]:
    """3/(1/coherency + 1/(1 − complexity) + 1/(1 − average drop)) of an image; 0 where one of the three terms is 0.

    Source: Poppi et al. 2021, ADCC. Its parts stand beside it, with the average increase, which it does not contain; their
    formulas are those of `coherency`, `complexity` and `confidence`. An image without coherency does not count, in the
    parts neither. image (N,3,H,W) normalised, heatmap (N,H,W) in [0,1] of the predicted class; explain: images, classes
    -> raw maps -> variant: (N,) float64 in 0..1. Raises: as `coherency.measure`.
    """
    classes, whole, masked = seen(predict, image, heatmap)
    _, drop, increase, _ = change(whole, masked)
    coherency, spread = coherence(heatmap, again(image, heatmap, explain, classes)), complexity.measure(heatmap)
    value = 3 / (1 / coherency + 1 / (1 - spread) + 1 / (1 - drop))
    columns = dict(zip(VARIANTS, (value, drop, increase, coherency, spread), strict=True))
    return {**columns, "counted": ~coherency.isnan()}
