"""Accuracy without the object: its pixels, or the box around them, made gray."""

from __future__ import annotations

import torch
from torch import Tensor

from cambench.metrics.accuracy.top_k import top1
from cambench.metrics.asked import Predict
from cambench.pixels import DEFAULT, Normalisation, to_input, to_pixels

GRAY = 0.5


def gray_mask(pixels: Tensor, mask: Tensor) -> Tensor:
    """x·(1−m) + ½·m. Source: Hard-ImageNet's suite. pixels (N,3,H,W) in [0,1], mask (N,H,W) bool -> (N,3,H,W)."""
    return torch.where(mask[:, None], GRAY, pixels)


def gray_box(pixels: Tensor, mask: Tensor) -> Tensor:
    """½ in one box around the whole mask, from its first row and column up to, not with, its last; none: unchanged.

    Source: Hard-ImageNet's suite (ContrastiveCAM protocol §2). pixels (N,3,H,W) in [0,1], mask (N,H,W) bool -> (N,3,H,W).
    """
    return gray_mask(pixels, between(mask.any(2))[:, :, None] & between(mask.any(1))[:, None, :])


def between(marked: Tensor) -> Tensor:
    """True from the first mark up to, not with, the last. (N,L) bool -> (N,L) bool."""
    begun = marked.cumsum(1) > 0
    more = marked.flip(1).cumsum(1).flip(1) - marked.long() > 0
    return begun & more


def mask_accuracy(
    predict: Predict, image: Tensor, label: Tensor, mask: Tensor, normalisation: Normalisation = DEFAULT
) -> Tensor:
    """1 where the best class is the label although the object is gray. (N,) of 0 and 1; arguments as vocabulary.ARGUMENTS.

    Raises: CambenchError for logits that are not finite.
    """
    gray = gray_mask(to_pixels(image, *normalisation), mask)
    return top1(predict, to_input(gray, *normalisation), label)


def box_accuracy(
    predict: Predict, image: Tensor, label: Tensor, mask: Tensor, normalisation: Normalisation = DEFAULT
) -> Tensor:
    """1 where the best class is the label although a box around the object is gray. (N,) of 0 and 1.

    Raises: CambenchError for logits that are not finite.
    """
    gray = gray_box(to_pixels(image, *normalisation), mask)
    return top1(predict, to_input(gray, *normalisation), label)
