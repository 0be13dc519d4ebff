"""Noisy linear imputation: removed pixels become what their neighbours let one expect, so that no shape of them is left.

The expected values solve one sparse linear system an image, here for all images and colours at once: conjugate gradients,
for which a multigrid cycle makes every scale of a hole converge alike.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, max_pool2d, pad

from cambench.maps import widened
from cambench.vocabulary import CambenchError

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
"""Of the error's energy norm, as a share of that of the first guess, which is 0."""
MOST = 500
"""Iterations; 224×224 pixels take 10 to 20."""
DAMPING = 0.8
COARSEST = 4
Level = tuple[Tensor, Tensor]
"""Which pixels are unknown (N,1,H,W), in 0 and 1, and the sum of each pixel's weights (H,W)."""


@torch.no_grad()
def imputed(image: Tensor, removed: Tensor) -> Tensor:
    """Removed pixels as the solution of Σ_q w_pq·(x_p − x_q) = 0 over the neighbours q within the image, all at once.

    w: 1/6 beside, above and below, 1/12 across a corner; at the border those inside count alone. Source: Rong et al. 2022,
    §5 (linear imputation without its noise), authors' code. image (N,K,H,W), removed (N,H,W) bool -> (N,K,H,W), other
    pixels as they are.
    Raises: CambenchError where an image has no pixel left.
    """
    if bool(removed.flatten(1).all(1).any()):
        raise CambenchError("imputation: expected a pixel that is left in every image, got none; remove fewer.")
    x, unknown = widened(image), removed[:, None].to(widened(image))
    right = unknown * neighbours(x * (1 - unknown))
    return torch.where(removed[:, None], solution(levels(unknown), right).to(image), image)


def neighbours(x: Tensor) -> Tensor:
    """Σ_q w_pq·x_q over the eight neighbours within the image, ((1,2,1)ᵀ(1,2,1) − 4δ)/12: (N,K,H,W) -> same shape.

    Sums of shifted images, since a convolution may round to ten bits on a GPU.
    """
    wide = pad(x, (1, 1, 1, 1))
    down = torch.add(wide[:, :, :-2], wide[:, :, 1:-1], alpha=2).add_(wide[:, :, 2:])
    around = torch.add(down[..., :-2], down[..., 1:-1], alpha=2).add_(down[..., 2:])
    return around.sub_(x, alpha=4).div_(12)


def levels(unknown: Tensor) -> list[Level]:
    """The system on ever coarser grids: of half the side each, a cell being unknown where all of it is."""
    sums = neighbours(torch.ones_like(unknown[:1]))[0, 0]
    if min(unknown.shape[2:]) < COARSEST:
        return [(unknown, sums)]
    coarse = -max_pool2d(-even(unknown, 1.0), 2)
    return [(unknown, sums), *levels(coarse)]


def applied(level: Level, x: Tensor) -> Tensor:
    """The system's matrix times x: Σ_q w_pq·x_p − Σ_q w_pq·x_q of unknown pixels q; x is 0 where pixels are known."""
    unknown, sums = level
    return (sums * x).sub_(neighbours(x)).mul_(unknown)


def cycle(grids: list[Level], right: Tensor) -> Tensor:
    """One symmetric multigrid V-cycle from 0: a damped Jacobi step, the coarser grids' correction, a Jacobi step."""
    unknown, sums = grids[0]
    right = unknown * right
    x = (DAMPING * right).div_(sums)
    if len(grids) > 1:
        rest = right - applied(grids[0], x)
        x.add_(unknown * finer(cycle(grids[1:], coarser(rest)), rest))
    return x.add_((right - applied(grids[0], x)).mul_(DAMPING).div_(sums))


def even(x: Tensor, value: float) -> Tensor:
    """With sides of an even number of pixels, a row and a column of `value` more where they were odd."""
    return pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2), value=value)


def line(like: Tensor) -> Tensor:
    """The bilinear kernel of a grid of half the side, (1,1,4,4)."""
    weights = like.new_tensor((0.25, 0.75, 0.75, 0.25))
    return torch.outer(weights, weights)[None, None]


def finer(coarse: Tensor, like: Tensor) -> Tensor:
    """Bilinear, to the grid of `like`."""
    wide = conv_transpose2d(coarse.flatten(0, 1)[:, None], line(like), stride=2, padding=1)
    return wide.reshape(*coarse.shape[:2], *wide.shape[2:])[:, :, : like.shape[2], : like.shape[3]]


def coarser(x: Tensor) -> Tensor:
    """The transpose of `finer`."""
    small = conv2d(even(x, 0.0).flatten(0, 1)[:, None], line(x), stride=2, padding=1)
    return small.reshape(*x.shape[:2], *small.shape[2:])


def solution(grids: list[Level], right: Tensor) -> Tensor:
    """Conjugate gradients, preconditioned by `cycle`; a plane that is solved stays as it is, whatever the others need."""

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum((2, 3), keepdim=True)

    x, residual = torch.zeros_like(right), right
    direction = z = cycle(grids, residual)
    size = dot(residual, z)
    limit = size * TOLERANCE[right.dtype] ** 2
    for _ in range(MOST):
        unsolved = ~(size <= limit)
        if not bool(unsolved.any()):
            return x
        ahead = applied(grids[0], direction)
        step = torch.where(unsolved, size / dot(direction, ahead), 0.0)
        x.add_(step * direction)
        residual = residual - step * ahead
        z = cycle(grids, residual)
        now = dot(residual, z)
        direction = z + torch.where(unsolved, now / size, 0.0) * direction
        size = torch.where(unsolved, now, size)
    raise CambenchError(f"imputation: expected a solution within {MOST} iterations, got none; check the images' values.")
