"""Randomisation: whether a heatmap depends on what the network has learned (the sanity check of model parameters)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from cambench import maps
from cambench.metrics.asked import checked
from cambench.metrics.correlation import spearman, varies
from cambench.vocabulary import UsageError

BLOCKS = 10
VARIANTS = ("spearman", "spearman-absolute", "ssim")
CONSTANT = "randomised maps that are the same everywhere"
STEPS = ("resize", "min-max")
WINDOW, SIGMA = 5, 1.5
K1, K2 = 0.01, 0.03
Mode = Literal["cascading", "independent"]
Randomised = Callable[..., Tensor]
"""image (N,3,H,W), classes (N,), count, cascading -> raw maps (N,1 + blocks,h,w), the network's own first."""


@torch.no_grad()
def measure(
    image: Tensor, label: Tensor, randomised: Randomised, *, mode: Mode = "cascading", blocks: int = BLOCKS
) -> dict[str, Tensor]:
    """The similarity of maps of the network and of the network with randomised weights, mean over the blocks of layers.

    Source: Adebayo et al. 2018, §4: `cascading` randomises from the output down and goes on with what is random,
    `independent` one block at a time. spearman: of the raw, signed maps at their native grid; spearman-absolute: of |M|;
    ssim: of the maps at the image's size, scaled to 0..1 (`ssim`). Blocks in place of single layers bound the passes; the
    paper too takes Inception's. Each network is the same for every image. A randomised map that is the same everywhere has
    no order, so its spearman counts as 0, our choice, and is tallied; a map of the network that is, does not count.
    image (N,3,H,W) normalised, label (N,) -> each variant (N,) and, as `blocks/variant`, (N,B) from the output down,
    float64, lower is better; "counted" (N,) bool. Raises: NotFiniteError for maps that are not finite.
    """
    raw = checked(randomised(image, label, count=blocks, cascading=mode == "cascading"), "maps of randomised networks")
    own, others = raw[:, :1], raw[:, 1:]
    flat, flats = own.flatten(2), others.flatten(2)
    counted = (varies(flat) & varies(flat.abs()))[:, 0]
    rows = {
        "spearman": ordered(flat, flats),
        "spearman-absolute": ordered(flat.abs(), flats.abs()),
        "ssim": alike(raw, (image.shape[2], image.shape[3])),
    }
    missing = torch.tensor(torch.nan, dtype=torch.float64)
    rows = {name: torch.where(counted.cpu()[:, None], value.cpu(), missing) for name, value in rows.items()}
    curves = {f"blocks/{name}": value for name, value in rows.items()}
    constant = ~varies(flats).all(1)
    return {**{name: value.mean(1) for name, value in rows.items()}, **curves, "counted": counted, CONSTANT: constant}


def ordered(own: Tensor, others: Tensor) -> Tensor:
    """Spearman's r of maps (N,1,P) and others (N,B,P), 0 where one of them is the same everywhere: (N,B) float64."""
    return spearman(own.expand_as(others), others).nan_to_num(nan=0.0)


def alike(raw: Tensor, size: tuple[int, int]) -> Tensor:
    """SSIM of the first of raw maps (N,1 + B,h,w) with the others, after the steps `STEPS`: (N,B) float64."""
    scaled = maps.apply(raw.flatten(0, 1).double(), STEPS, size).view(*raw.shape[:2], *size)
    own = scaled[:, :1].expand_as(scaled[:, 1:])
    return ssim(own.flatten(0, 1), scaled[:, 1:].flatten(0, 1)).view(len(raw), -1)


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean of (2μ_a μ_b + C₁)(2σ_ab + C₂) / ((μ_a² + μ_b² + C₁)(σ_a² + σ_b² + C₂)) over windows of 11×11 pixels, σ = 1.5.

    Source: Wang et al. 2004, eq. 13, C₁ = 0.01², C₂ = 0.03² for values of 0..1; windows within the image alone.
    a, b (M,H,W) of 0..1 -> (M,). Raises: UsageError for sides of fewer than 11 pixels.
    """
    if min(a.shape[1:]) <= 2 * WINDOW:
        size = "×".join(map(str, a.shape[1:]))
        raise UsageError(f"ssim: expected images of at least {2 * WINDOW + 1} pixels a side, got {size}.")
    planes = torch.stack([a, b, a * a, b * b, a * b], 1)
    means = maps.gaussian_blur(planes, (WINDOW, WINDOW), SIGMA)[:, :, WINDOW:-WINDOW, WINDOW:-WINDOW]
    mean_a, mean_b, square_a, square_b, product = means.unbind(1)
    light = (2 * mean_a * mean_b + K1**2) / (mean_a**2 + mean_b**2 + K1**2)
    spread = square_a - mean_a**2 + square_b - mean_b**2
    return (light * (2 * (product - mean_a * mean_b) + K2**2) / (spread + K2**2)).mean((1, 2))
