"""HiResCAM IoU: the overlap of the map of each class that an image shows with that class's region, on the map's grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cambench import maps
from cambench.metrics.asked import ClassMaps, checked
from cambench.metrics.core.contrastive import RULES, Score, overlap, predicted

VARIANTS = tuple(RULES)


@torch.no_grad()
def measure(
    image: Tensor, labels: Sequence[tuple[int, ...]], regions: Tensor, class_maps: ClassMaps, *, score: Score = "iou"
) -> dict[str, Tensor]:
    """For each image, Σ over its classes i of the IoU of HiResCAM_i's region with H_i, and the number of pairs (image, i).

    Source: Table 4, with our rules (ContrastiveCAM protocol §3). H_i: cells with any pixel of class i; an empty H_i is
    no pair. score `dice`: their Dice coefficient in its place. image (N,3,H,W), labels: N tuples, regions (N,H,W) int64
    -> columns (N,): a sum a rule, and `pairs`.
    Raises: CambenchError for maps that are not finite.
    """
    maps_of = checked(class_maps(image), "class maps")
    pairs = [(n, i) for n, classes in enumerate(labels) for i in classes]
    rows, classes = torch.tensor(pairs, device=maps_of.device).T
    core = maps.on_grid(regions[rows] == classes[:, None, None], (maps_of.shape[2], maps_of.shape[3]))
    shows = core.flatten(1).any(1)
    rows, classes, core = rows[shows], classes[shows], core[shows]

    def summed(values: Tensor) -> Tensor:
        return torch.zeros(len(maps_of), dtype=torch.float64, device=maps_of.device).index_add_(0, rows, values)

    columns = {rule: summed(overlap(predicted(maps_of[rows, classes], rule), core, score)) for rule in RULES}
    count = summed(torch.ones(len(rows), dtype=torch.float64, device=maps_of.device))
    return {**columns, "pairs": count, "counted": count > 0}


def mean(columns: Mapping[str, Tensor]) -> dict[str, float]:
    """The mean over pairs, not over images: Σ sums / Σ pairs, a rule each."""
    return {rule: float(columns[rule].sum() / columns["pairs"].sum()) for rule in RULES}
