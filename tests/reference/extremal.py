"""Extremal perturbation of one image: cell by cell, node by node, pixel by pixel; a few steps of descent by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def bumps(height: int, width: int, cells: tuple[int, int], nodes: tuple[int, int], sigma: float) -> Tensor:
    """The row of every cell: (cells, nodes)."""
    middles = [[(i + 0.5) * side / n for i in range(n)] for side, n in zip((height, width), cells, strict=True)]
    places = [(y, x) for y in middles[0] for x in middles[1]]
    return torch.stack([bumps_at(place, (height, width), nodes, sigma) for place in places])


def bumps_at(place: tuple[float, float], size: tuple[int, int], nodes: tuple[int, int], sigma: float) -> Tensor:
    """exp(−¼·max(0, distance/σ − 1)²) between a place and the middles of nodes, in pixels: (nodes,)."""
    row = []
    for p in range(nodes[0]):
        for q in range(nodes[1]):
            distance = math.hypot(place[0] - (p + 0.5) * size[0] / nodes[0], place[1] - (q + 0.5) * size[1] / nodes[1])
            row.append(math.exp(-(max(0.0, distance / sigma - 1) ** 2) / 4))
    return torch.tensor(row, dtype=torch.float64)


def mask_of(kernel: Tensor, nodes: Tensor) -> Tensor:
    """Σ_v f_v·e^{20·f_v} / Σ_v e^{20·f_v} of f_v = k(u − v)·n_v at every cell u."""
    values = []
    for row in kernel:
        f = [k * n for k, n in zip(row, nodes, strict=True)]
        weights = [torch.exp(20 * one) for one in f]
        values.append(sum(one * w for one, w in zip(f, weights, strict=True)) / sum(weights))
    return torch.stack(values)


def area_loss(mask: Tensor, area: float) -> Tensor:
    """The mean square of what a sorted mask is off (1 − a)·P zeros and a·P ones."""
    shown = round(area * len(mask))
    ordered = sorted(mask.unbind(), key=lambda one: float(one.detach()))
    off = [m - (1.0 if i >= len(mask) - shown else 0.0) for i, m in enumerate(ordered)]
    return sum((one * one for one in off), start=torch.zeros(())) / len(mask)


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Each pixel the mean of all, weighed by a Gaussian of their distance."""
    out = torch.zeros_like(x)
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            total = 0.0
            for p in range(x.shape[1]):
                for q in range(x.shape[2]):
                    weight = math.exp(-((i - p) ** 2 + (j - q) ** 2) / (2 * sigma**2))
                    out[:, i, j] += weight * x[:, p, q]
                    total += weight
            out[:, i, j] /= total
    return out


def blurs(x: Tensor, largest: float, levels: int = 8) -> list[Tensor]:
    """From the most blurred to the image itself."""
    return [blurred(x, largest * (1 - level / levels)) for level in range(levels)] + [x]


def perturbed(pyramid: list[Tensor], mask: Tensor) -> Tensor:
    """Each pixel taken from the two levels of blur between which its mask lies."""
    pixels, levels = [], len(pyramid) - 1
    for i in range(mask.shape[0]):
        row = []
        for j in range(mask.shape[1]):
            place = mask[i, j] * levels
            low = min(int(place), levels - 1)
            row.append((low + 1 - place) * pyramid[low][:, i, j] + (place - low) * pyramid[low + 1][:, i, j])
        pixels.append(torch.stack(row, 1))
    return torch.stack(pixels, 1)


def extremal(x: Tensor, score: Callable[[Tensor], Tensor], area: float, steps: int) -> Tensor:
    """(h,w) of an image so small that every pixel is a cell and a node: descent with momentum, by hand."""
    size = (x.shape[1], x.shape[2])
    kernel, pyramid = bumps(*size, size, size, min(size) / 20), blurs(x, 20 / 224 * min(size))
    nodes = torch.full((size[0] * size[1],), 0.5, dtype=x.dtype, requires_grad=True)
    speed = torch.zeros_like(nodes)
    for step in range(steps):
        mask = mask_of(kernel, nodes)
        weight = 0.0 if step == 0 else 300.0 * (1 if 3 * step < steps else 2 if 3 * step < 2 * steps else 4)
        loss = weight * area_loss(mask, area) - score(perturbed(pyramid, mask.reshape(size)))
        (gradient,) = torch.autograd.grad(loss, nodes)
        speed = 0.9 * speed + gradient
        nodes = (nodes.detach() - 0.01 * speed).clamp(0, 1).requires_grad_()
    return mask_of(kernel, nodes).reshape(size).detach()
