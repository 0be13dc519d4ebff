"""Explainers that look at many points around an image: which points, and how the maps taken there become one.

The maps are pooled as they come, so no more than one point of each image is ever held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from cambench.explainers.control import digest

STEPS = 50
SAMPLES, SPREAD = 50, 0.25


def path(x: Tensor, *, steps: int = STEPS) -> Iterator[Tensor]:
    """x' + τ_k·(x − x') with x' = 0, τ_k = (k + ½)/n, k = 0 … n − 1, n = 50: midpoints of the straight path from zeros.

    Source: Sundararajan et al. 2017, eq. 1; 50 midpoints and zeros in normalised space are our choice (weighted-contrast
    protocol §1.3). x (N,3,H,W) -> n times (N,3,H,W).
    """
    for k in range(steps):
        yield x * ((k + 0.5) / steps)


def path_with_ends(x: Tensor, *, steps: int = STEPS) -> Iterator[Tensor]:
    """i/n·x for i = 0 … n, n = 50: the straight path from zeros with both its ends, n + 1 points.

    Source: authors' code (CALM protocol §1.7). x (N,3,H,W) -> n + 1 times (N,3,H,W).
    """
    for i in range(steps + 1):
        yield x * (i / steps)


def noisy(x: Tensor, *, samples: int = SAMPLES, sigma: float = SPREAD) -> Iterator[Tensor]:
    """x + ε_k, ε_k ~ N(0, σ²) in every colour and pixel, σ = (max x − min x)/4 of each image, k = 1 … 50.

    Source: Smilkov et al. 2017, eq. 1; n and σ as in the released code (CALM protocol §1.7). x (N,3,H,W) -> 50 times
    (N,3,H,W). An image's noise follows from its pixels alone, drawn on the CPU, so its map depends on neither batch nor
    device.
    """
    deviation = sigma * (x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True))
    generators = [torch.Generator().manual_seed(digest(image)) for image in x]
    for _ in range(samples):
        noise = torch.stack([torch.randn(x.shape[1:], generator=generator) for generator in generators])
        yield x + deviation * noise.to(x)


def mean(maps: Iterable[Tensor]) -> Tensor:
    """1/n·Σ_k M_k of n maps (N,H,W) -> (N,H,W)."""
    return moments(maps)[0]


def path_sum(maps: Iterable[Tensor], *, steps: int = STEPS) -> Tensor:
    """1/n·Σ_i M_i of the n + 1 maps of `path_with_ends`, divided by n as in the released code (CALM protocol §1.7)."""
    return sum(maps, start=torch.zeros(())) / steps


def variance(maps: Iterable[Tensor]) -> Tensor:
    """1/n·Σ_k (M_k − M̄)² of n maps (N,H,W) -> (N,H,W), the biased variance of each pixel.

    Source: Adebayo et al. 2018, appendix A; biased as in the released code (CALM protocol §1.7).
    """
    return moments(maps)[1]


def mean_square(maps: Iterable[Tensor]) -> Tensor:
    """1/n·Σ_k M_k² of n maps (N,H,W) -> (N,H,W): the mean square of each pixel, their variance and the square of their mean.

    Source: authors' code, `smooth_grad_square`, which no table shows (CALM protocol §1.7); Hooker et al. 2019,
    SmoothGrad-Squared.
    """
    average, spread = moments(maps)
    return spread + average**2


def moments(maps: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of n maps, one at a time: M̄ += δ/k, Q += δ·(M_k − M̄) with δ = M_k − M̄ (Welford 1962)."""
    rest = iter(maps)
    average = next(rest).clone()
    squares, n = torch.zeros_like(average), 1
    for map_ in rest:
        n += 1
        delta = map_ - average
        average += delta / n
        squares += delta * (map_ - average)
    return average, squares / n
