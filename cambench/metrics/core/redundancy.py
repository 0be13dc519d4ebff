"""Redundancy: how much of the margin between classes lies on the object, and how much of a class's map all classes share."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from cambench import maps
from cambench.contrastive import own_map, reconstructed
from cambench.metrics.asked import ClassMaps, Predict, checked
from cambench.metrics.core.contrastive import contrastive

VARIANTS = ("core", "non-core", "core-share", "gamma", "core-signed", "non-core-signed")


CONTRASTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": contrastive,
    "sum": contrastive,
    "reconstructed": lambda maps_of, classes: reconstructed(maps_of, classes)[:, None],
    "own": lambda maps_of, classes: own_map(maps_of, classes)[:, None],
}
"""`over` -> the maps (N,·,h,w) that are weighed: D against each other class, the map of eq. 8, or HiResCAM of the class."""
PARTS: dict[str, Callable[[Tensor], Tensor]] = {
    "cells": lambda part: part.abs().sum((2, 3)),
    "region": lambda part: part.sum((2, 3)).abs(),
    "signed": lambda part: part.sum((2, 3)),
}
"""`sign` -> what the part of each map in a region is worth: (N,·,h,w) -> (N,·)."""


@torch.no_grad()
def measure(
    image: Tensor,
    label: Tensor,
    mask: Tensor,
    class_maps: ClassMaps,
    predict: Predict,
    *,
    over: str = "mean",
    sign: str = "cells",
    of: str = "label",
) -> dict[str, Tensor]:
    """core = mean_{c≠t} Σ H·|D_(t,c)|, non-core the same with 1 − H, both also signed; γ = ‖1/C·Σ_c CAM_c‖ / ‖CAM_t‖.

    Source: ContrastiveCAM Table 1, whose definitions the paper does not spell out; the options are its other readings
    (ContrastiveCAM protocol §1.6): over, sum: Σ_{c≠t} in place of the mean; reconstructed, own: of that one map instead.
    sign, region: |Σ H·D|; signed: Σ H·D. of: t is the label, or the class with the largest logit. H: the mask on the grid.
    image (N,3,H,W), label (N,), mask (N,H,W) bool -> columns (N,) in logits; γ is a ratio, and an image without one does not
    count. Raises: CambenchError for maps that are not finite or of a single class.
    """
    maps_of = checked(class_maps(image), "class maps").double()
    classes = label if of == "label" else predict(image).argmax(1)
    core = maps.on_grid(mask, (maps_of.shape[2], maps_of.shape[3]))[:, None].double()
    weighed = CONTRASTS[over](maps_of, classes)
    size = own_map(maps_of, classes).flatten(1).norm(dim=1)

    def worth(region: Tensor, rule: str) -> Tensor:
        values = PARTS[rule](region * weighed)
        return values.sum(1) if over == "sum" else values.mean(1)

    return {
        "core": worth(core, sign),
        "non-core": worth(1 - core, sign),
        "gamma": maps_of.mean(1).flatten(1).norm(dim=1) / size,
        "core-signed": worth(core, "signed"),
        "non-core-signed": worth(1 - core, "signed"),
        "counted": size > 0,
    }


def mean(columns: Mapping[str, Tensor]) -> dict[str, float]:
    """The means over images; core-share is the ratio of two: core / (core + non-core), NaN where both are zero."""
    values = {name: float(columns[name].mean()) for name in VARIANTS if name != "core-share"}
    core, total = columns["core"].mean(), columns["core"].mean() + columns["non-core"].mean()
    return {**values, "core-share": float(core / total)}
