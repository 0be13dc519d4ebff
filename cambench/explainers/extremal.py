"""Extremal perturbation: the part of an image, of a given area and smooth, that keeps a score highest (Fong et al. 2019).

The mask m is a smooth maximum of bumps around nodes, `nodes` along the shorter side; what it hides is blurred. It is
found by stochastic gradient descent on S(m ⊗ x) − λ·R_a(m).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cambench.maps import resize, widened

TEMPERATURE = 1 / 20
"""T of the smooth maximum."""
PRESSURE = 300.0
"""λ, doubled after a third and after two thirds of the steps."""
NODES, CELLS = 28, 56
"""Nodes of the mask, and cells where it is reckoned before it is resized, along a side: ours (8 and 4 of 224 px)."""
RADIUS = 1 / 20
"""Radius of a bump as a share of the image's shorter side: ours (11 of 224 px)."""
BLUR, LEVELS = 20 / 224, 8
"""The largest σ of the blur as a share of the shorter side, and the levels between none and that."""
RATE, MOMENTUM = 0.01, 0.9
"""Of the gradient descent; the rate is ours."""


def extremal_perturbation(
    images: Tensor, score: Callable[[Tensor], Tensor], *, area: float = 0.1, steps: int = 800
) -> Tensor:
    """m_a = argmax_m S(m ⊗ x) − λ·R_a(m), between 0 and 1, after 800 steps.

    Source: Fong et al. 2019, §3; SGD with momentum 0.9 and λ = 300, doubled twice, as there. Nodes start at ½, and the
    first step looks at S alone: until then all cells are equal, and sorting them would favour one side. images (N,3,H,W),
    score: images like them -> S (N,) with its graph -> (N,h,w), h·w the cells.
    """
    images = widened(images)
    grid = (len(images), of_side(images, 0, CELLS), of_side(images, 1, CELLS))
    pyramid, bumps = blurs(images), kernel(images)
    nodes = images.new_full((len(images), bumps.shape[1]), 0.5, requires_grad=True)
    optimiser = torch.optim.SGD([nodes], lr=RATE, momentum=MOMENTUM)
    for step in range(steps):
        mask = smooth_maximum(bumps * nodes[:, None])
        pressure = PRESSURE * 2 ** (3 * step // steps) if step else 0.0
        shown = perturbed(pyramid, resize(mask.view(grid), (images.shape[2], images.shape[3])))
        (nodes.grad,) = torch.autograd.grad((pressure * area_loss(mask, area) - score(shown)).sum(), nodes)
        optimiser.step()
        with torch.no_grad():
            nodes.clamp_(0, 1)
    return smooth_maximum(bumps * nodes.detach()[:, None]).view(grid)


def area_loss(mask: Tensor, area: float) -> Tensor:
    """R_a(m) = mean_i (sort(m)_i − r_i)², r: (1 − a) of zeros, then a of ones: 0 where a share a is shown, the rest hidden.

    Source: Fong et al. 2019, §3; the mean in place of the sum, so that λ suits any size. (N,P) -> (N,).
    """
    shown = round(area * mask.shape[1])
    template = torch.arange(mask.shape[1], device=mask.device) >= mask.shape[1] - shown
    return (mask.sort(1).values - template.to(mask)).square().mean(1)


def smooth_maximum(values: Tensor) -> Tensor:
    """Σ_v f_v·e^{f_v/T} / Σ_v e^{f_v/T}, T = 1/20, over the last dimension. Source: Fong et al. 2019, §3."""
    return (values * (values / TEMPERATURE).softmax(-1)).sum(-1)


def kernel(images: Tensor) -> Tensor:
    """k(u − v) = exp(−¼·max(0, ‖u − v‖/σ − 1)²) of every cell u and node v: 1 within σ of a node.

    Source: Fong et al. 2019, §3. images (N,3,H,W) -> (cells, nodes).
    """
    sides, sigma = (images.shape[2], images.shape[3]), RADIUS * min(images.shape[2:])
    squares = []
    for axis, side in enumerate(sides):
        u, v = (middles(side, of_side(images, axis, count)).to(images) for count in (CELLS, NODES))
        squares.append((u[:, None] - v).square())
    down, across = squares
    distance = (down[:, None, :, None] + across[None, :, None]).sqrt() / sigma
    return torch.exp(-(distance - 1).clamp(min=0).square() / 4).flatten(2).flatten(0, 1)


def of_side(images: Tensor, axis: int, count: int) -> int:
    """So many along the shorter side, as dense along the longer, and no more than pixels."""
    side, shorter = images.shape[2 + axis], min(images.shape[2:])
    return min(side, round(count * side / shorter))


def middles(side: int, count: int) -> Tensor:
    """The middles of `count` equal pieces of a side of so many pixels, in pixels."""
    return (torch.arange(count) + 0.5) * side / count


def blurs(images: Tensor) -> Tensor:
    """The images under Gaussians of σ_max·(1 − l/8), l = 0 … 8, the last sharp: (N,3,H,W) -> (9,N,3,H,W).

    Each pixel is the mean of the image's pixels weighed by exp(−‖u − v‖²/2σ²). Source: Fong et al. 2019, §3.
    """
    largest = BLUR * min(images.shape[2:])
    levels = []
    for level in range(LEVELS):
        down, across = (gaussian(side, largest * (1 - level / LEVELS), images) for side in images.shape[2:])
        levels.append(down @ images @ across.mT)
    return torch.stack([*levels, images])


def gaussian(side: int, sigma: float, like: Tensor) -> Tensor:
    """What each pixel of a line takes of each: exp(−(i − j)²/2σ²), rows of sum 1. (side,side)."""
    pixel = torch.arange(side, dtype=torch.float64)
    weights = torch.exp(-((pixel[:, None] - pixel) ** 2) / (2 * sigma**2))
    return (weights / weights.sum(1, keepdim=True)).to(like)


def perturbed(pyramid: Tensor, mask: Tensor) -> Tensor:
    """m ⊗ x: each pixel blurred by σ_max·(1 − m), linear between the two next levels.

    Source: Fong et al. 2019, §3. pyramid (9,N,3,H,W), mask (N,H,W) -> (N,3,H,W).
    """
    place = mask[:, None] * LEVELS
    weights = [(1 - (place - level).abs()).clamp(min=0) for level in range(LEVELS + 1)]
    return sum((weight * level for weight, level in zip(weights, pyramid, strict=True)), start=torch.zeros_like(pyramid[0]))
