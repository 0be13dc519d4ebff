"""Replacing pixels in order of saliency, and the curve of a class's probability along the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from cambench.maps import widened
from cambench.metrics.asked import Predict, checked, fitted
from cambench.vocabulary import UsageError

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


def step_count(height: int, rows: int = ROWS_A_STEP) -> int:
    """How many steps of rows·W pixels it takes to replace all: 28 for 224 rows; the last takes what is left."""
    return -(-height // rows)


@dataclass(frozen=True)
class Way:
    """How pixels are replaced: rows a step, the class that is followed, composites at once."""

    rows: int = ROWS_A_STEP
    track: Track = "predicted"
    chunk: int = 64

    def __post_init__(self) -> None:
        """Raises: UsageError for a class that cannot be followed, or no composites at once."""
        if self.track not in ("predicted", "label"):
            raise UsageError(f"track: expected predicted or label, got {self.track!r}.")
        if self.chunk < 1:
            raise UsageError(f"chunk: expected at least 1 image, got {self.chunk}.")


@torch.no_grad()
def curve(predict: Predict, ends: tuple[Tensor, Tensor], heatmap: Tensor, label: Tensor, way: Way, *, whole: int) -> Tensor:
    """The probabilities s_0 … s_S of a class from one end to the other, most salient pixels first -> (N,S+1).

    ends: the images (N,3,H,W) before and after, of which `whole` (0 or 1) is the image itself and is run once. After k steps
    the k·rows·W most salient pixels come from the second end, all colours together. S+1 forward passes an image. Logits
    of float64 give probabilities of float64, all others float32.
    Raises: CambenchError for shapes that do not fit, logits or heatmaps that are not finite.
    """
    (start, end), image, chunk = ends, ends[whole], way.chunk
    heatmap = fitted(heatmap, image)
    logits = checked(torch.cat([widened(predict(part)) for part in torch.split(image, chunk)]), "logits of whole images")
    known = logits.argmax(1) if way.track == "predicted" else label.to(logits.device)
    rank, steps, pixels = ranks(heatmap), step_count(image.shape[2], way.rows), way.rows * image.shape[3]
    scores = logits.new_empty(len(image), steps)
    for rows, columns in pieces(len(image), steps, chunk):
        limit = (torch.arange(columns.start, columns.stop, device=rank.device) + (1 - whole)) * pixels
        mixed = torch.where(rank[rows, None] < limit.view(-1, 1, 1, 1, 1), end[rows], start[rows])
        p = torch.softmax(widened(predict(mixed.flatten(0, 1))), 1)
        own = known[rows].repeat(len(limit))[:, None]
        scores[rows, columns] = p.gather(1, own).view(len(limit), -1).T
    clean = torch.softmax(logits, 1).gather(1, known[:, None])
    checked(scores, "probabilities of composites")
    return torch.cat([scores, clean] if whole else [clean, scores], 1)


def pieces(images: int, columns: int, chunk: int) -> Iterator[tuple[slice, slice]]:
    """Rectangles of images × steps with at most `chunk` composites each, together all of them."""
    for i in range(0, images, chunk):
        n = min(chunk, images - i)
        for k in range(0, columns, chunk // n):
            yield slice(i, i + n), slice(k, min(k + chunk // n, columns))


def area(curve: Tensor) -> Tensor:
    """Area under curves (N,S+1) by trapezoids over [0,1]: (Σ_k s_k − s_0/2 − s_S/2)/S -> (N,) float64."""
    curve = curve.double()
    return (curve.sum(1) - (curve[:, 0] + curve[:, -1]) / 2) / (curve.shape[1] - 1)
