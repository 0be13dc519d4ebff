"""ADCC: average drop, coherency and complexity in one number."""

from __future__ import annotations

from torch import Tensor

from cambench.metrics.asked import Explain, Predict
from cambench.metrics.conciseness import coherency, complexity
from cambench.metrics.conciseness.confidence import confidences
from cambench.metrics.faithfulness.drop_increase import change

VARIANTS = ("", "average-drop", "average-increase", "coherency", "complexity")


def measure(predict: Predict, image: Tensor, heatmap: Tensor, explain: Explain, explained: Tensor) -> dict[str, Tensor]:
    """3/(1/coherency + 1/(1 − complexity) + 1/(1 − average drop)) of an image; 0 where one of the three terms is 0.

    Source: Poppi et al. 2021, ADCC. Its parts stand beside it, with the average increase, which it does not contain; their
    formulas are those of `coherency`, `complexity` and `confidence`. An image without coherency does not count, in the
    parts neither. image (N,3,H,W) normalised; heatmap (N,H,W) in [0,1] and explained (N,), that of the predicted class and
    the class; explain: images, classes -> raw maps -> variant: (N,) float64 in 0..1. Raises: as they do.
    """
    _, drop, increase, _ = change(*confidences(predict, image, heatmap, explained))
    columns, spread = coherency.measure(image, heatmap, explain, explained), complexity.measure(heatmap)
    value = 3 / (1 / columns[""] + 1 / (1 - spread) + 1 / (1 - drop))
    parts = (value, drop, increase, columns[""], spread)
    return {**dict(zip(VARIANTS, parts, strict=True)), "counted": columns["counted"]}
