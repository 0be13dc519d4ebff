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


def path(x: Tensor) -> Iterator[Tensor]:
    """x' + τ_k·(x − x') with x' = 0, τ_k = (k + ½)/50, k = 0 … 49: the midpoints of the straight path from the baseline.

    Source: Sundararajan et al. 2017, eq. 1; 50 midpoints and zeros in normalised space are our choice
    (weighted-contrast protocol §1.3). x (N,3,H,W) -> 50 times (N,3,H,W).
    """
    for k in range(STEPS):
        yield x * ((k + 0.5) / STEPS)


def path_with_ends(x: Tensor) -> Iterator[Tensor]:
    """i/50·x for i = 0 … 50: the straight path from zeros with both its ends, 51 points.

    Source: authors' code (CALM protocol §1.7). x (N,3,H,W) -> 51 times (N,3,H,W).
    """
    for i in range(STEPS + 1):
        yield x * (i / STEPS)


def noisy(x: Tensor) -> Iterator[Tensor]:
    """x + ε_k, ε_k ~ N(0, σ²) in every colour and pixel, σ = (max x − min x)/4 of each image, k = 1 … 50.

    Source: Smilkov et al. 2017, eq. 1; n and σ as in the released code (CALM protocol §1.7). x (N,3,H,W) -> 50 times
    (N,3,H,W). An image's noise follows from its pixels alone, drawn on the CPU, so its map depends on neither batch nor
    device.
    """
    sigma = SPREAD * (x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True))
    generators = [torch.Generator().manual_seed(digest(image)) for image in x]
    for _ in range(SAMPLES):
        noise = torch.stack([torch.randn(x.shape[1:], generator=generator) for generator in generators])
        yield x + sigma * noise.to(x)


def mean(maps: Iterable[Tensor]) -> Tensor:
    """1/n·Σ_k M_k of n maps (N,H,W) -> (N,H,W)."""
    return moments(maps)[0]


def path_sum(maps: Iterable[Tensor]) -> Tensor:
    """1/50·Σ_i M_i of the 51 maps of `path_with_ends`, divided by 50 as in the released code (CALM protocol §1.7)."""
    return sum(maps, start=torch.zeros(())) / STEPS


def variance(maps: Iterable[Tensor]) -> Tensor:
    """1/n·Σ_k (M_k − M̄)² of n maps (N,H,W) -> (N,H,W), the biased variance of each pixel.

    Source: Adebayo et al. 2018, appendix A; biased as in the released code (CALM protocol §1.7).
    """
    return moments(maps)[1]


def moments(maps: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of n maps, one at a time: M̄ += δ/k, Q += δ·(M_k − M̄) with δ = M_k − M̄ (Welford 1962)."""
    rest = iter(maps)
    average = next(rest).clone()
    squares, n = torch.zeros_like(average), 1
    for found in rest:
        n += 1
        delta = found - average
        average += delta / n
        squares += delta * (found - average)
    return average, squares / n
