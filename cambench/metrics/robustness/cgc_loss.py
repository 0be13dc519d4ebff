"""CGC loss as a metric: how well heatmaps follow a random crop, told from those of the other images of the group."""

from __future__ import annotations

import torch
from torch import Tensor

from cambench import geometry
from cambench.losses.cgc import Anchor, cgc_loss, consistency_maps, paired_windows
from cambench.metrics.asked import Explain, Predict, checked

TEMPERATURE = 0.5


@torch.no_grad()
def measure(
    image: Tensor, explain: Explain, predict: Predict, generator: torch.Generator, *, anchor: Anchor = "released"
) -> Tensor:
    """L_i of `losses.cgc.cgc_loss` at τ = ½ between the heatmaps of T(x_i) and T of the heatmap of x_i.

    Source: CGC §4 and Table 1 (32 images a group, 31 negatives; no code was released). The class is the prediction on x
    for both; T is a random resized crop inside x with a consistent flip.
    image (n,3,S,S): one whole group, un-augmented; explain: image, classes -> raw maps; generator: the group's own
    -> (n,) float64 in nats, lower is better. All maps equal: ln n; best possible: ln(1 + (n−1)·e^{−2}).
    Raises: CambenchError for logits or maps that are not finite.
    """
    size = (image.shape[2], image.shape[3])
    windows = paired_windows(len(image), size, generator)
    classes = checked(predict(image), "logits").argmax(1)
    query = checked(explain(image, classes), "heatmaps")
    changed = checked(explain(geometry.resample(image, windows, size), classes), "heatmaps of the crops")
    a, b = consistency_maps(changed, query, windows, size)
    return cgc_loss(a, b, TEMPERATURE, anchor).double()
