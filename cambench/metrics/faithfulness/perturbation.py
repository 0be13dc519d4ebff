"""Replacing pixels in order of saliency, and the curve of a class's probability along the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from cambench.metrics.accuracy.predictions import Predict, checked
from cambench.vocabulary import CambenchError, UsageError

ROWS_A_STEP = 8
Track = Literal["predicted", "label"]


def ranks(heatmap: Tensor) -> Tensor:
    """Each pixel's place in the order of decreasing saliency: (N,H,W) -> (N,H,W) int64, 0 the most salient.

    The order is an ascending stable sort, reversed, so ties go in decreasing pixel index. Source: CGC, authors' code; the
    stability is our choice.
    """
    return places(checked(heatmap, "heatmap").flatten(1).argsort(dim=1, stable=True).flip(1)).view_as(heatmap)


def places(order: Tensor) -> Tensor:
    """Each pixel's place in an order of pixels, the inverse permutation: (N,P) -> (N,P) int64."""
    counted = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, counted)


def step_count(height: int) -> int:
    """How many steps of 8·W pixels it takes to replace all: 28 for 224 rows; the last takes what is left."""
    return -(-height // ROWS_A_STEP)


@torch.no_grad()
def clean(predict: Predict, image: Tensor, label: Tensor, track: Track, chunk: int) -> tuple[Tensor, Tensor]:
    """The class to follow (N,), and its probability on the whole image (N,) float32.

    Raises: CambenchError for logits that are not finite.
    """
    logits = checked(torch.cat([predict(part).float() for part in torch.split(image, chunk)]), "logits of whole images")
    known = logits.argmax(1) if track == "predicted" else label.to(logits.device)
    return known, torch.softmax(logits, 1).gather(1, known[:, None])[:, 0]


@torch.no_grad()
def probabilities(
    predict: Predict, start: Tensor, end: Tensor, rank: Tensor, known: Tensor, *, first: int, last: int, chunk: int
) -> Tensor:
    """p of the class `known` (N,) after first … last steps from `start` to `end` (N,3,H,W): (N, last−first+1) float32.

    After k steps the pixels of `rank` (N,H,W) below k·8·W come from `end`, all colours together. At most `chunk`
    composites go through `predict` at once, over images and steps.
    Raises: CambenchError for logits that are not finite.
    """
    n, pixels = len(start), ROWS_A_STEP * start.shape[3]
    scores = torch.empty(n, last - first + 1, device=start.device)
    for rows, columns in pieces(n, scores.shape[1], chunk):
        limit = torch.arange(first + columns.start, first + columns.stop, device=rank.device) * pixels
        mixed = torch.where(rank[rows, None] < limit.view(-1, 1, 1, 1, 1), end[rows], start[rows])
        p = torch.softmax(predict(mixed.flatten(0, 1)).float(), 1)
        own = known[rows].repeat(len(limit))[:, None]
        scores[rows, columns] = p.gather(1, own).view(len(limit), -1).T
    return checked(scores, "probabilities of composites")


def pieces(images: int, columns: int, chunk: int) -> Iterator[tuple[slice, slice]]:
    """Rectangles of images × steps with at most `chunk` composites each, together all of them."""
    for i in range(0, images, chunk):
        n = min(chunk, images - i)
        for k in range(0, columns, chunk // n):
            yield slice(i, i + n), slice(k, min(k + chunk // n, columns))


def check_arguments(image: Tensor, heatmap: Tensor, track: str, chunk: int) -> None:
    """Raises: CambenchError unless there is one heatmap (H,W) for each image (3,H,W), UsageError for an unknown option."""
    if track not in ("predicted", "label"):
        raise UsageError(f"track: expected predicted or label, got {track!r}.")
    if chunk < 1:
        raise UsageError(f"chunk: expected at least 1 image, got {chunk}.")
    if heatmap.shape != (len(image), *image.shape[2:]):
        raise CambenchError(f"expected a heatmap (N,H,W) for images {tuple(image.shape)}, got {tuple(heatmap.shape)}.")


def area(curve: Tensor) -> Tensor:
    """Area under curves (N,S+1) by trapezoids over [0,1]: (Σ_k s_k − s_0/2 − s_S/2)/S -> (N,) float64."""
    curve = curve.double()
    return (curve.sum(1) - (curve[:, 0] + curve[:, -1]) / 2) / (curve.shape[1] - 1)
