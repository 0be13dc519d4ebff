"""Sensitivity-n: does the relevance of any n pixels foretell what the output loses without them?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cambench.metrics.asked import Predict
from cambench.metrics.faithfulness.infidelity import Of
from cambench.metrics.faithfulness.subsets import correlations

PERCENT = (1.0, 5.0, 10.0, 20.0, 40.0, 80.0)
DRAWS = 100


def variants(*, percent: Sequence[float] = PERCENT) -> tuple[str, ...]:
    """The names of the values: the mean over the sizes, and each of them."""
    return ("mean", *(f"{share:g}" for share in percent))


def measure(
    predict: Predict,
    image: Tensor,
    heatmap: Tensor,
    explained: Tensor,
    generators: Sequence[torch.Generator],
    *,
    percent: Sequence[float] = PERCENT,
    draws: int = DRAWS,
    of: Of = "logit",
) -> dict[str, Tensor]:
    """PCC over random sets S of n pixels of Σ_{p∈S} M_p and y_c(x) − y_c(x without S), for n of max(1, ⌊k/100·H·W⌋).

    Source: Ancona et al. 2018, §4, Sensitivity-n: n up to 80 % of the features, a removed one is 0. The shares and the 100
    sets of each are our choice; a feature is a pixel in all colours, as maps have none. Shapes and raises: see
    `subsets.correlations`. -> {"mean": (N,), "k": (N,), "counted": (N,) bool} in −1..1, float64, higher is better.
    """
    pixels = heatmap[0].numel()
    sizes = [max(1, int(share * pixels // 100)) for share in percent]
    values = correlations(predict, image, heatmap, explained, generators, sizes=sizes, draws=draws, of=of)
    columns = dict(zip(variants(percent=percent), [values.mean(1), *values.unbind(1)], strict=True))
    return {**columns, "counted": torch.isfinite(values).all(1)}
