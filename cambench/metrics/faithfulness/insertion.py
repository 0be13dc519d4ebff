"""Insertion: from a blurred image to the image, most salient pixels first."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor
from torch.nn import functional

from cambench.metrics.accuracy.predictions import Predict
from cambench.metrics.faithfulness.perturbation import ROWS_A_STEP, Track, Way, area, curve

BLUR_SIZE, BLUR_SIGMA = 11, 5.0
Start = Literal["blur", "zero"]


def measure(
    predict: Predict,
    image: Tensor,
    heatmap: Tensor,
    label: Tensor,
    *,
    rows: int = ROWS_A_STEP,
    track: Track = "predicted",
    start: Start = "blur",
    chunk: int = 64,
) -> Tensor:
    """Insertion AUC: a class's mean probability while the image appears, AUC = (Σ_k s_k − s_0/2 − s_S/2)/S.

    Source: CGC §4, authors' code, after RISE (Petsiuk et al. 2018). 8·W pixels a step (rows·W), S = 28 steps at 224×224. The
    probability is that of the class predicted on the whole image, not of the label (`track="label"` follows that one).
    start: what is there before, the blurred image, or 0 in normalised space, the mean colour, as deletion's end.
    predict: image -> logits; image (N,3,H,W) normalised; heatmap (N,H,W) after the index entry's steps; label (N,)
    -> (N,) float64 in 0..1.
    Raises: CambenchError for shapes that do not fit, logits or heatmaps that are not finite.
    """
    return area(curve(predict, ends(image, start), heatmap, label, Way(rows, track, chunk), whole=1))


def ends(image: Tensor, start: Start = "blur") -> tuple[Tensor, Tensor]:
    """From the blurred image, or nothing, to the whole one."""
    return blurred(image) if start == "blur" else torch.zeros_like(image), image


@cache
def blur_line() -> tuple[float, ...]:
    """One axis of the blur kernel: scipy's Gaussian filter (σ = 5) of an 11-pixel delta, its edges reflected.

    Source: RISE, authors' code. Nearly flat: the 11×11 kernel ranges from 0.00774 to 0.00883 and sums to 1.
    """
    delta = np.zeros(BLUR_SIZE)
    delta[BLUR_SIZE // 2] = 1
    return tuple(gaussian_filter1d(delta, BLUR_SIGMA).tolist())


def blurred(image: Tensor) -> Tensor:
    """Each colour convolved with the 11×11 blur kernel (separable), zeros outside: (N,3,H,W) normalised -> same shape."""
    line = torch.tensor(blur_line(), dtype=image.dtype, device=image.device)
    planes = image.flatten(0, 1)[:, None]
    planes = functional.conv2d(planes, line.view(1, 1, 1, -1), padding=(0, BLUR_SIZE // 2))
    planes = functional.conv2d(planes, line.view(1, 1, -1, 1), padding=(BLUR_SIZE // 2, 0))
    return planes.view_as(image)
