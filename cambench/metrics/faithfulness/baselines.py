"""Baselines: what is left of an image where nothing of it is shown, into which pixels are inserted or deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor
from torch.nn import functional

from cambench.metrics.faithfulness.relative_probability import channel_mean
from cambench.pixels import Normalisation, to_input
from cambench.vocabulary import CambenchError

BLUR_SIZE, BLUR_SIGMA = 11, 5.0
Baseline = Literal["blur", "zero", "black", "white", "mean", "noise"]
Generators = Sequence[torch.Generator]


def baseline(kind: Baseline, image: Tensor, generators: Generators, normalisation: Normalisation) -> Tensor:
    """The image without what it shows: (N,3,H,W) normalised -> same shape; what each kind is, `BASELINES` says.

    generators: of N images, which `noise` alone draws from; normalisation: of the input, which `black`, `white` and `noise`
    follow. Raises: CambenchError for another number of generators.
    """
    return BASELINES[kind](image, generators, normalisation)


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


def pixels_of(value: float, image: Tensor, normalisation: Normalisation) -> Tensor:
    """Every pixel of [0,1] is `value` in all colours."""
    return to_input(torch.full_like(image, value), *normalisation)


def noise(image: Tensor, generators: Generators, normalisation: Normalisation) -> Tensor:
    """Each colour of each pixel even in [0,1), from the image's own generator, whatever its batch; our choice."""
    if len(generators) != len(image):
        raise CambenchError(f"noise: expected a generator for each of {len(image)} images, got {len(generators)}.")
    drawn = [torch.rand(image.shape[1:], generator=generator) for generator in generators]
    return to_input(torch.stack(drawn).to(image), *normalisation)


BASELINES: dict[Baseline, Callable[[Tensor, Generators, Normalisation], Tensor]] = {
    "blur": lambda image, *_: blurred(image),
    "zero": lambda image, *_: torch.zeros_like(image),
    "black": lambda image, _, normalisation: pixels_of(0.0, image, normalisation),
    "white": lambda image, _, normalisation: pixels_of(1.0, image, normalisation),
    "mean": lambda image, *_: channel_mean(image),
    "noise": noise,
}
"""`blur`: 11×11 (RISE); `zero`: 0 in normalised space, the data's mean colour (RISE); `black`, `white`: pixels of 0 or 1;
`mean`: each colour's mean over the image; `noise`: even colours."""
