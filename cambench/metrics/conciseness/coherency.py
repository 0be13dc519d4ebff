"""Coherency: whether the image seen through its heatmap has that same heatmap."""

from __future__ import annotations

from torch import Tensor

from cambench import maps
from cambench.metrics.asked import Explain, checked
from cambench.metrics.conciseness import STEPS
from cambench.metrics.conciseness.confidence import through
from cambench.metrics.correlation import pearson


def measure(image: Tensor, heatmap: Tensor, explain: Explain, explained: Tensor) -> dict[str, Tensor]:
    """(1 + ρ)/2, ρ = Cov(M', M)/(σ_M'·σ_M) over the pixels, M' the heatmap of x ∘ M for the class predicted on x.

    Source: Poppi et al. 2021, Coherency, Pearson's ρ brought to between 0 and 1; that it is by (1 + ρ)/2 is our reading.
    image (N,3,H,W) normalised; heatmap (N,H,W) in [0,1] and explained (N,), that of the predicted class and the class;
    explain: images, classes -> raw maps -> (N,) float64 in 0..1. An image where one of the two maps is constant has no ρ
    and does not count.
    Raises: CambenchError for maps that leave [0,1] or are not finite.
    """
    raw = checked(explain(through(image, heatmap), explained), "maps of images seen through their maps")
    again = maps.apply(raw, STEPS, (image.shape[2], image.shape[3]))
    values = (1 + pearson(heatmap.flatten(1), again.to(heatmap.device).flatten(1))) / 2
    return {"": values, "counted": ~values.isnan()}
