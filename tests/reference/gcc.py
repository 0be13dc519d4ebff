"""GCC from rivals protocol §1, in float64: cell by cell, one image at a time, Grad-CAM by double backward."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

Map = NDArray[np.float64]


def normalised(raw: Map) -> Map:
    """M of rivals protocol §1.2."""
    positive = np.maximum(raw, 0)
    return positive / (positive.sum() + 1e-8) + 1e-8


def distance(of_image: Map, of_composite: Map, quadrant: int) -> float:
    """L_GC of one image (rivals protocol §1.3): the mean over the composite's cells."""
    m, full = normalised(of_image), normalised(of_composite)
    (h, w), total = m.shape, 0.0
    for i in range(2 * h):
        for j in range(2 * w):
            inside = 2 * (i // h) + j // w == quadrant
            total += abs(full[i, j] - (m[i % h, j % w] if inside else 0.0))
    return total / (4 * h * w)


def composite(image: Tensor, negatives: list[Tensor], quadrant: int) -> Tensor:
    """X of rivals protocol §1.1: (3,H,W) and three others -> (3,2H,2W)."""
    tiles = list(negatives)
    tiles.insert(quadrant, image)
    return torch.cat([torch.cat(tiles[:2], 2), torch.cat(tiles[2:], 2)], 1)


def loss(
    model: nn.Module, layer: nn.Module, views: tuple[Tensor, Tensor], label: Tensor, quadrants: list[int], weight: float
) -> Tensor:
    """CE(f(x), y) + λ·L_GC: views = x (N,3,H,W) and the negatives (3N,3,H,W)."""
    image, negatives = views
    four = torch.stack([composite(x, list(negatives[3 * i : 3 * i + 3]), quadrants[i]) for i, x in enumerate(image)])
    logits, of_image = heatmaps(model, layer, image, label)
    _, of_composite = heatmaps(model, layer, four, label)
    terms = []
    for m, full, q in zip(of_image, of_composite, quadrants, strict=True):
        h, w = m.shape
        target = torch.zeros_like(full)
        target[h * (q // 2) :, w * (q % 2) :][:h, :w] = m
        terms.append((full - target).abs().mean())
    return cross_entropy(logits, label) + weight * sum(terms) / len(terms)


def heatmaps(model: nn.Module, layer: nn.Module, images: Tensor, label: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Logits, and M of every image with its graph: the gradient of its ground truth's logit, by a backward pass."""
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _m, _i, output: kept.append(output))
    logits = model(images)
    handle.remove()
    score = sum(logits[i, label[i]] for i in range(len(images)))
    (gradient,) = torch.autograd.grad(score, kept[0], create_graph=True)
    raw = [torch.relu((g * a).sum(0)) for g, a in zip(gradient, kept[0], strict=True)]
    return logits, [r / (r.sum() + 1e-8) + 1e-8 for r in raw]
