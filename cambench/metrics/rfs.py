"""Relative foreground sensitivity (RFS): does noise on the object cost more accuracy than noise around it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cambench.metrics.predictions import Predict
from cambench.metrics.top_k import top1
from cambench.pixels import to_input, to_pixels

LEVEL, TRIALS = 0.25, 3


@torch.no_grad()
def measure(
    predict: Predict,
    image: Tensor,
    label: Tensor,
    mask: Tensor,
    generators: Sequence[torch.Generator],
    *,
    level: float = LEVEL,
    trials: int = TRIALS,
) -> dict[str, Tensor]:
    """The share of trials in which the label is found under noise on the object (fg) and, the same noise, around it (bg).

    fg = clip(x + s·m·n), bg = clip(x + s·(1−m)·n) in [0,1], n ~ N(0, 1) a pixel and colour.
    Source: Hard-ImageNet's suite (ContrastiveCAM spec §2): s = 0.25, 3 trials; the paper does not state its level.
    image (N,3,H,W), label (N,), mask (N,H,W) bool, generators: one an image -> columns (N,) fg, bg in [0,1], and label.
    Raises: CambenchError for logits that are not finite.
    """
    pixels, where = to_pixels(image), mask[:, None].to(image)
    fg, bg = torch.zeros(2, len(image), dtype=torch.float64, device=label.device)
    for _ in range(trials):
        drawn = [torch.randn(image.shape[1:], generator=g) for g in generators]
        noise = level * torch.stack(drawn).to(pixels)
        fg += hits(predict, pixels + where * noise, label) / trials
        bg += hits(predict, pixels + (1 - where) * noise, label) / trials
    return {"fg": fg, "bg": bg, "label": label}


def hits(predict: Predict, pixels: Tensor, label: Tensor) -> Tensor:
    """1 where the best class of the clipped pixels is the label: (N,) on the label's device."""
    return top1(predict, to_input(pixels.clamp(0, 1)), label).to(label.device)


def sensitivity(a_fg: float, a_bg: float) -> float:
    """RFS = (a_bg − a_fg) / (2·min(a, 1−a)) with a = (a_fg + a_bg)/2; 0 where a is 0 or 1. In [−1, 1].

    Source: Moayeri et al. 2022 (ContrastiveCAM spec §2).
    """
    a = (a_fg + a_bg) / 2
    room = 2 * min(a, 1 - a)
    return (a_bg - a_fg) / room if room > 0 else 0.0


def mean(columns: Mapping[str, Tensor]) -> dict[str, float]:
    """RFS of the two accuracies: by class over its images and trials, then the mean over the classes that are there."""
    label = columns["label"]
    count = torch.bincount(label).double()
    there = count > 0
    fg, bg = (torch.bincount(label, weights=columns[k])[there] / count[there] for k in ("fg", "bg"))
    return {"": sensitivity(float(fg.mean()), float(bg.mean()))}
