"""Remove and classify: the accuracy that is left when the most salient pixels are erased, against random pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from cambench.maps import gaussian_blur
from cambench.metrics.asked import Predict, checked, fitted
from cambench.metrics.faithfulness.perturbation import places
from cambench.metrics.faithfulness.relative_probability import channel_mean

PERCENT = (10, 30, 50, 70, 90)
BLUR_SIZE, BLUR_SIGMA = 31, 15.0
Fill = Literal["blur", "zero", "mean"]


def measure(
    predict: Predict,
    image: Tensor,
    heatmap: Tensor,
    label: Tensor,
    generators: Sequence[torch.Generator],
    *,
    fill: Fill = "blur",
    percent: Sequence[float] = PERCENT,
) -> dict[str, Tensor]:
    """Whether the label is predicted after the k % most salient pixels, or as many random ones, are erased.

    int(k/100·H·W) pixels in all colours. Source: CALM §5.3, Figure 5; k, blur, zero and mean, that of each colour over the
    image, are the authors' code's (CALM protocol §2.4). Ties fall in ascending pixel index, our choice. Random pixels are
    drawn without replacement, anew for each k, from the image's own generator. image (N,3,H,W) normalised, heatmap
    (N,H,W), label (N,), N generators -> {"k": (N,) bool, "k-random": (N,) bool}. Ten forward passes an image.
    Raises: CambenchError for shapes that do not fit, heatmaps or logits that are not finite.
    """
    filled = FILLS[fill](image)
    salient = ranks(fitted(heatmap, image))
    hits = {}
    for k in percent:
        count = int(k * salient[0].numel() // 100)
        drawn = torch.stack([torch.randperm(salient[0].numel(), generator=g) for g in generators])
        for name, place in ((f"{k:g}", salient), (f"{k:g}-random", drawn.view_as(salient).to(image.device))):
            erased = torch.where((place < count)[:, None], filled, image)
            hits[name] = checked(predict(erased), "logits of erased images").argmax(1) == label.to(image.device)
    return hits


def ranks(heatmap: Tensor) -> Tensor:
    """Each pixel's place in the order of decreasing saliency, ties in ascending pixel index: (N,H,W) -> (N,H,W) int64."""
    return places(heatmap.flatten(1).argsort(dim=1, descending=True, stable=True)).view_as(heatmap)


def blurred(image: Tensor) -> Tensor:
    """Each colour under a 31×31 Gaussian, σ = 15, edges reflected: (N,3,H,W) normalised -> same shape.

    Source: authors' code (CALM protocol §2.4). Raises: UsageError for images of 15 pixels a side or fewer, as
    `gaussian_blur`.
    """
    reach = BLUR_SIZE // 2
    return gaussian_blur(image, (reach, reach), BLUR_SIGMA)


FILLS: dict[Fill, Callable[[Tensor], Tensor]] = {"blur": blurred, "zero": torch.zeros_like, "mean": channel_mean}


def variants(*, percent: Sequence[float] = PERCENT) -> tuple[str, ...]:
    """The names of the values, one a share of erased pixels."""
    return tuple(f"{k:g}" for k in percent)


def mean(columns: Mapping[str, Tensor], *, percent: Sequence[float] = PERCENT) -> dict[str, float]:
    """R_k = A_k / A_k^random, both accuracies over all images of the same network: {"k": R_k}.

    Lower is better: erasing what the map shows costs more than erasing anything. A k at which no image survives the random
    erasing has no value.
    """
    names = variants(percent=percent)
    accuracy = {name: float(columns[name].double().mean()) for k in names for name in (k, f"{k}-random")}
    return {k: accuracy[k] / accuracy[f"{k}-random"] for k in names if accuracy[f"{k}-random"] > 0}
