"""Faithfulness correlation: does the relevance of a random set of pixels foretell what the output loses without it?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cambench.metrics.asked import Predict
from cambench.metrics.faithfulness.infidelity import Of
from cambench.metrics.faithfulness.subsets import correlations

PIXELS = 224
DRAWS = 100


def measure(
    predict: Predict,
    image: Tensor,
    heatmap: Tensor,
    explained: Tensor,
    generators: Sequence[torch.Generator],
    *,
    pixels: int = PIXELS,
    draws: int = DRAWS,
    of: Of = "probability",
) -> dict[str, Tensor]:
    """μ_F = corr over random sets S of |S| pixels of Σ_{p∈S} M_p and f(x) − f(x with S at its baseline).

    Source: Bhatt et al. 2020, Definition 2 (faithfulness). |S| = 224 pixels and 100 sets are what Quantus takes; the
    baseline is 0 in normalised space, the data's mean colour: our choice. f: the probability, or logit, of the class that
    the map explains. See `subsets.correlations`, which says shapes and raises.
    -> {"": (N,), "counted": (N,) bool} in −1..1, float64, higher is better.
    """
    values = correlations(predict, image, heatmap, explained, generators, sizes=[pixels], draws=draws, of=of)[:, 0]
    return {"": values, "counted": torch.isfinite(values)}
