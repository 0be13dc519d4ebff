"""Redundancy: how much of the margin between classes lies on the object, and how much of a class's map all classes share."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cambench import maps
from cambench.contrastive import own_map
from cambench.metrics.accuracy.predictions import ClassMaps, checked
from cambench.metrics.core.contrastive import contrastive

VARIANTS = ("core", "non-core", "core-share", "gamma", "core-signed", "non-core-signed")


@torch.no_grad()
def measure(image: Tensor, label: Tensor, mask: Tensor, class_maps: ClassMaps) -> dict[str, Tensor]:
    """core = mean_{c≠ct} Σ H·|D_(ct,c)|, non-core the same with 1 − H, both also signed; γ = ‖1/C·Σ_c CAM_c‖ / ‖CAM_ct‖.

    Source: ContrastiveCAM Table 1, whose definitions the paper does not spell out (ContrastiveCAM protocol §1.6). H is the
    mask on the grid.
    image (N,3,H,W), label (N,), mask (N,H,W) bool -> columns (N,) in logits; γ is a ratio, and an image without one does not
    count. Raises: CambenchError for maps that are not finite or of a single class.
    """
    maps_of = checked(class_maps(image), "class maps").double()
    core = maps.on_grid(mask, (maps_of.shape[2], maps_of.shape[3]))[:, None].double()
    difference = contrastive(maps_of, label)
    size = own_map(maps_of, label).flatten(1).norm(dim=1)
    return {
        "core": (core * difference.abs()).sum((2, 3)).mean(1),
        "non-core": ((1 - core) * difference.abs()).sum((2, 3)).mean(1),
        "gamma": maps_of.mean(1).flatten(1).norm(dim=1) / size,
        "core-signed": (core * difference).sum((2, 3)).mean(1),
        "non-core-signed": ((1 - core) * difference).sum((2, 3)).mean(1),
        "counted": size > 0,
    }


def mean(columns: Mapping[str, Tensor]) -> dict[str, float]:
    """The means over images; core-share is the ratio of two: core / (core + non-core), NaN where both are zero."""
    values = {name: float(columns[name].mean()) for name in VARIANTS if name != "core-share"}
    core, total = columns["core"].mean(), columns["core"].mean() + columns["non-core"].mean()
    return {**values, "core-share": float(core / total)}
