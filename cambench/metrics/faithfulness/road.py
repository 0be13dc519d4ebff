"""ROAD, remove and debias: what is left of the network's answer where salient, or other, pixels are imputed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from cambench.metrics.asked import Predict, checked, fitted
from cambench.metrics.faithfulness.imputation import imputed
from cambench.metrics.faithfulness.infidelity import answer
from cambench.metrics.faithfulness.remove_and_classify import ranks
from cambench.pixels import Normalisation, channels

PERCENT = (10.0, 20.0, 30.0, 40.0, 50.0, 70.0, 90.0)
"""Source: Rong et al. 2022, authors' experiments."""
NOISE = 0.01
"""Deviation in pixels of [0,1]. Source: Rong et al. 2022, authors' code, which imputes before it normalises."""
ORDERS = ("morf", "lerf")
VARIANTS = ("combined", *ORDERS)
Of = Literal["accuracy", "probability"]


@torch.no_grad()
def measure(
    predict: Predict,
    image: Tensor,
    heatmap: Tensor,
    explained: Tensor,
    generators: Sequence[torch.Generator],
    normalisation: Normalisation,
    *,
    percent: Sequence[float] = PERCENT,
    noise: float = NOISE,
    of: Of = "accuracy",
) -> dict[str, Tensor]:
    """s_k = [argmax y(x_k) = c], or p_c(x_k), where ⌊k/100·H·W⌋ pixels are imputed; the mean over k; (LeRF − MoRF)/2.

    `morf`: the pixels of the largest raw, signed map, most relevant first; `lerf`: of the smallest. Imputed pixels are the
    linear system's solution (`imputation.imputed`) with Gaussian noise in each colour of deviation `noise` in pixels of
    [0,1]. Source: Rong et al. 2022, §5; `combined` is pytorch-grad-cam's. Ties fall in ascending pixel index for morf, in
    descending for lerf, our choice.
    image (N,3,H,W) normalised, heatmap (N,H,W), explained (N,) c, N generators -> each variant and s_k, as `k/morf` and
    `k/lerf`, (N,) float64, fractions; 2·|k| forward passes an image.
    Raises: CambenchError for shapes that do not fit, heatmaps or logits that are not finite.
    """
    place, last = ranks(fitted(heatmap, image)), heatmap[0].numel() - 1
    spread = noise / channels(normalisation.std, image)
    columns: dict[str, Tensor] = {}
    for order, own in zip(ORDERS, (place, last - place), strict=True):
        for share in percent:
            removed = own < int(share * (last + 1) // 100)
            drawn = torch.stack([torch.randn(image.shape[1:], generator=generator) for generator in generators])
            shown = imputed(image, removed) + removed[:, None] * spread * drawn.to(image)
            logits = checked(predict(shown), "logits of imputed images")
            columns[f"{share:g}/{order}"] = SCORES[of](logits, explained.to(logits.device))
        columns[order] = torch.stack([columns[f"{share:g}/{order}"] for share in percent]).mean(0)
    return {"combined": (columns["lerf"] - columns["morf"]) / 2, **columns}


SCORES: dict[Of, Callable[[Tensor, Tensor], Tensor]] = {
    "accuracy": lambda logits, explained: (logits.argmax(1) == explained).double(),
    "probability": lambda logits, explained: answer(logits, explained, "probability"),
}
"""logits (N,C), classes (N,) -> (N,) float64."""
