"""Max-sensitivity: how far a heatmap moves at most where the image is disturbed a little."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cambench.maps import widened
from cambench.metrics.asked import Explain, checked
from cambench.pixels import Normalisation, channels

SAMPLES = 50
RADIUS = 0.2
"""In pixels of [0,1]. Source: Yeh et al. 2019, reference code, which takes 50 disturbances of 0.2."""


def measure(
    image: Tensor,
    explain: Explain,
    label: Tensor,
    generators: Sequence[torch.Generator],
    normalisation: Normalisation,
    *,
    samples: int = SAMPLES,
    radius: float = RADIUS,
) -> dict[str, Tensor]:
    """max_δ ‖Φ(x + δ) − Φ(x)‖ / ‖Φ(x)‖ over random δ, even in −r..r in every colour of every pixel, ‖·‖ Euclidean.

    Source: Yeh et al. 2019, Definition 3 (SENS_MAX), by Monte Carlo; divided by ‖Φ(x)‖ as in its reference code and captum,
    for maps have no common unit. Departure: the reference code divides what it has so far anew after every δ. Φ: the raw,
    signed map of the label at its native grid. x + δ may leave [0,1], as in both codes.
    image (N,3,H,W) normalised, label (N,), N generators; normalisation: mean and std of the colours
    -> {"": (N,) float64, "counted": (N,) bool}: a map that is zero everywhere has no length to compare with.
    Raises: NotFiniteError for maps that are not finite.
    """
    usual = mapped(explain, image, label, "maps")
    length, reach = usual.norm(dim=1), radius / channels(normalisation.std, image)
    most = torch.zeros_like(length)
    for _ in range(samples):
        drawn = torch.stack([torch.rand(image.shape[1:], generator=generator) for generator in generators])
        moved = mapped(explain, image + reach * (2 * drawn.to(image) - 1), label, "maps of disturbed images")
        most = torch.maximum(most, (moved - usual).norm(dim=1))
    return {"": torch.where(length > 0, most / length, torch.nan), "counted": length > 0}


def mapped(explain: Explain, image: Tensor, label: Tensor, what: str) -> Tensor:
    """The raw maps as rows (N,h·w) float64."""
    return widened(checked(explain(image, label), what)).flatten(1).double()
