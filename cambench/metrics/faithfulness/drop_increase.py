"""Drop and increase: what the network's confidence loses or gains where only the most salient pixels are kept."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cambench import maps
from cambench.metrics.asked import Explain, Predict, checked
from cambench.metrics.faithfulness.remove_and_classify import ranks

KEPT = (0.15, 0.30, 0.45)
"""Share of the pixels that is kept. Source: ExCon §4.3 (ExCon protocol §2.2)."""
COLUMNS = ("drop-percent", "drop-mag", "increase-percent", "increase-mag")
STEPS = ("resize",)


def variants(*, kept: Sequence[float] = KEPT) -> tuple[str, ...]:
    """The names of the values: `0.15/drop-percent` …"""
    return tuple(f"{named(share)}/{column}" for share in kept for column in COLUMNS)


def named(share: float) -> str:
    """A share in the names of the values: `0.30`, and `0.154` where two decimals would be another."""
    return f"{share:.2f}" if round(share, 2) == share else f"{share:g}"


def measure(predict: Predict, image: Tensor, explain: Explain, *, kept: Sequence[float] = KEPT) -> dict[str, Tensor]:
    """Drop and increase of the predicted class c, p = softmax_c(x) and p' = softmax_c(x'), at each share that is kept.

    x' keeps the floor(t·H·W) pixels of the largest raw, signed map of c, resized bilinearly; all others are 0 in normalised
    space, the data's mean colour. Source: authors' code (ExCon protocol §2.2; the paper gives the idea alone). Ties between
    pixels fall in ascending index, our choice. Every image counts, those without a change too.
    image (N,3,H,W) normalised -> `t/column`: (N,) float64, fractions. Four forward passes an image and its map.
    Raises: CambenchError for logits or maps that are not finite.
    """
    clean = torch.softmax(maps.widened(checked(predict(image), "logits of whole images")), 1)
    known = clean.argmax(1)
    p = of_class(clean, known)
    raw = checked(explain(image, known), "maps of the predicted class")
    place = ranks(maps.apply(raw, STEPS, (image.shape[2], image.shape[3])))
    columns: dict[str, Tensor] = {}
    for share in kept:
        masked = checked(predict(keep(image, place, share)), "logits of masked images")
        changes = change(p, of_class(torch.softmax(maps.widened(masked), 1), known))
        columns |= {f"{named(share)}/{column}": rows for column, rows in zip(COLUMNS, changes, strict=True)}
    return columns


def of_class(probabilities: Tensor, classes: Tensor) -> Tensor:
    """The probability of each image's class: (N,C), (N,) -> (N,)."""
    return probabilities.gather(1, classes[:, None])[:, 0]


def count(share: float, pixels: int) -> int:
    """⌊t·H·W⌋ in float64: 153, 307, 460 of 1,024; 614, 1228, 1843 of 4,096. Source: ExCon protocol §2.2, §7.19."""
    return int(share * pixels)


def keep(image: Tensor, place: Tensor, share: float) -> Tensor:
    """The image (N,3,H,W) with only the pixels of the first floor(share·H·W) places (N,H,W), the others 0 in all colours."""
    return torch.where((place < count(share, place[0].numel()))[:, None], image, torch.zeros_like(image))


def change(p: Tensor, masked: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """1[p > p'], max(0, p − p')/p, 1[p' > p], max(0, p' − p)/p; a tie counts in none. Source: ExCon protocol §2.2.

    p, masked (N,) in the precision of the network's output -> four times (N,) float64. p ≥ 1/C, so nothing divides by 0.
    """
    before, after = p.double(), masked.double()
    lost, gained = ((before - after).clamp(min=0) / before, (after - before).clamp(min=0) / before)
    return (before > after).double(), lost, (after > before).double(), gained
