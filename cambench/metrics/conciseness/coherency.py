"""Coherency: whether the image seen through its heatmap has that same heatmap."""

from __future__ import annotations

import torch
from torch import Tensor

from cambench import maps
from cambench.metrics.accuracy.predictions import Explain, Predict, checked
from cambench.metrics.conciseness import STEPS
from cambench.metrics.conciseness.confidence import through


def measure(predict: Predict, image: Tensor, heatmap: Tensor, explain: Explain) -> dict[str, Tensor]:
    """(1 + ρ)/2, ρ = Cov(M', M)/(σ_M'·σ_M) over the pixels, M' the heatmap of x ∘ M for the class predicted on x.

    Source: Poppi et al. 2021, Coherency, Pearson's ρ brought to between 0 and 1; that it is by (1 + ρ)/2 is our reading.
    image (N,3,H,W) normalised, heatmap (N,H,W) in [0,1] of the predicted class; explain: images, classes -> raw maps
    -> (N,) float64 in 0..1. An image where one of the two maps is constant has no ρ and does not count.
    Raises: CambenchError for maps that leave [0,1], or logits or maps that are not finite.
    """
    with torch.no_grad():
        classes = checked(predict(image), "logits").argmax(1)
    values = coherence(heatmap, again(image, heatmap, explain, classes))
    return {"": values, "counted": ~values.isnan()}


def again(image: Tensor, heatmap: Tensor, explain: Explain, classes: Tensor) -> Tensor:
    """The heatmaps (N,H,W) of images seen through theirs, of the same classes, after the same steps."""
    raw = checked(explain(through(image, heatmap), classes), "maps of images seen through their maps")
    return maps.apply(raw, STEPS, (image.shape[2], image.shape[3]))


def coherence(a: Tensor, b: Tensor) -> Tensor:
    """(1 + ρ)/2 of two maps (N,H,W) -> (N,) float64, NaN where either is constant."""
    flat = [m.double().flatten(1) for m in (a, b.to(a.device))]
    constant = torch.stack([m.amin(1) == m.amax(1) for m in flat]).any(0)
    one, other = (m - m.mean(1, keepdim=True) for m in flat)
    correlation = (one * other).sum(1) / (one.norm(dim=1) * other.norm(dim=1))
    return torch.where(constant, torch.nan, (1 + correlation) / 2)
