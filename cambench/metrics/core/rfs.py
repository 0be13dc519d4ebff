"""Relative foreground sensitivity (RFS): does noise on the object cost more accuracy than noise around it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from cambench.metrics.accuracy.top_k import top1
from cambench.metrics.asked import Predict
from cambench.pixels import DEFAULT, Normalisation, to_input, to_pixels

LEVEL, TRIALS = 0.25, 3
Norm = Literal["linf", "l2"]
SWEEP: Mapping[Norm, tuple[float, ...]] = {
    "linf": (0.125, 0.25, 0.375, 0.5, 0.625, 0.75),
    "l2": (30, 60, 90, 120, 150, 180),
}
"""Levels of the suite's sweeps: the noise's deviation a pixel, and its l2 norm an image (ContrastiveCAM protocol §2)."""
VARIANTS = tuple(f"{norm}/{level:g}" for norm, levels in SWEEP.items() for level in levels)
SIDES = ("fg", "bg")


@torch.no_grad()
def measure(
    predict: Predict,
    image: Tensor,
    label: Tensor,
    mask: Tensor,
    generators: Sequence[torch.Generator],
    normalisation: Normalisation = DEFAULT,
    *,
    level: float = LEVEL,
    trials: int = TRIALS,
) -> dict[str, Tensor]:
    """The share of trials in which the label is found under noise on the object (fg) and, the same noise, around it (bg).

    fg = clip(x + s·m·n), bg = clip(x + s·(1−m)·n) in [0,1], n ~ N(0, 1) a pixel and colour.
    Source: Hard-ImageNet's suite (ContrastiveCAM protocol §2): s = 0.25, 3 trials; the paper does not state its level.
    image (N,3,H,W) normalised, label (N,), mask (N,H,W) bool, generators: one an image -> columns (N,) fg, bg in [0,1],
    and label.
    Raises: CambenchError for logits that are not finite.
    """
    share = shares(predict, image, label, mask, generators, normalisation, {"linf": (level,)}, trials)
    return {**{side: share[f"linf/{level:g}/{side}"] for side in SIDES}, "label": label}


@torch.no_grad()
def sweep(
    predict: Predict,
    image: Tensor,
    label: Tensor,
    mask: Tensor,
    generators: Sequence[torch.Generator],
    normalisation: Normalisation = DEFAULT,
    *,
    trials: int = TRIALS,
) -> dict[str, Tensor]:
    """The shares of `measure` at every level of both sweeps, all of which scale the same draws (our choice).

    `linf/s`: as `measure`. `l2/r`: fg = clip(x + r·m·n/‖m·n‖₂), bg = clip(x + r·(1−m)·n/‖(1−m)·n‖₂), the norm over an
    image's pixels and colours, before the clip. r is meant for the suite's 224×224: on smaller images it is stronger noise.
    Source: Hard-ImageNet's suite (ContrastiveCAM protocol §2). Arguments and errors as `measure`
    -> columns (N,) `<norm>/<level>/fg`, `…/bg` in [0,1], and label. 24 forward passes a trial.
    """
    return {**shares(predict, image, label, mask, generators, normalisation, SWEEP, trials), "label": label}


def shares(
    predict: Predict,
    image: Tensor,
    label: Tensor,
    mask: Tensor,
    generators: Sequence[torch.Generator],
    normalisation: Normalisation,
    levels: Mapping[Norm, Sequence[float]],
    trials: int,
) -> dict[str, Tensor]:
    """Share of trials in which the best class is the label, at each level and side: `<norm>/<level>/<side>` (N,)."""
    pixels = to_pixels(image, *normalisation)
    columns: dict[str, Tensor] = {}
    for _ in range(trials):
        for side, noise in parted(drawn(pixels, generators), mask).items():
            for norm, sizes in levels.items():
                shape = unit(noise) if norm == "l2" else noise
                for level in sizes:
                    key, right = f"{norm}/{level:g}/{side}", hits(predict, pixels + level * shape, label, normalisation)
                    columns[key] = columns.get(key, torch.zeros_like(right, dtype=torch.float64)) + right / trials
    return columns


def drawn(pixels: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """n ~ N(0, 1) a pixel and colour (N,3,H,W), each image's from its own generator."""
    return torch.stack([torch.randn(pixels.shape[1:], generator=g) for g in generators]).to(pixels)


def parted(noise: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """The same noise (N,3,H,W) on the object and around it: m·n and (1−m)·n; mask (N,H,W) bool."""
    where = mask[:, None].to(noise)
    return {"fg": where * noise, "bg": (1 - where) * noise}


def unit(noise: Tensor) -> Tensor:
    """Each image's noise (N,3,H,W) at l2 norm 1: n/‖n‖₂. That of an empty region is 0, and stays 0."""
    norm: Tensor = torch.linalg.vector_norm(noise, dim=(1, 2, 3), keepdim=True)
    return noise / norm.where(norm > 0, 1)


def hits(predict: Predict, pixels: Tensor, label: Tensor, normalisation: Normalisation) -> Tensor:
    """1 where the best class of the clipped pixels is the label: (N,) on the label's device."""
    return top1(predict, to_input(pixels.clamp(0, 1), *normalisation), label).to(label.device)


def sensitivity(a_fg: float, a_bg: float) -> float:
    """RFS = (a_bg − a_fg) / (2·min(a, 1−a)) with a = (a_fg + a_bg)/2; 0 where a is 0 or 1. In [−1, 1].

    Source: Moayeri et al. 2022 (ContrastiveCAM protocol §2).
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


def mean_sweep(columns: Mapping[str, Tensor]) -> dict[str, float]:
    """RFS at every level of the sweeps: {"<norm>/<level>": value}."""
    sides = {v: {side: columns[f"{v}/{side}"] for side in SIDES} for v in VARIANTS}
    return {v: mean({**of_level, "label": columns["label"]})[""] for v, of_level in sides.items()}
