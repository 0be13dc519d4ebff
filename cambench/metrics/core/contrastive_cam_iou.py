"""ContrastiveCAM IoU: the overlap of the class-reconstructed map's region with the object, on the grid of the map."""

from __future__ import annotations

import torch
from torch import Tensor

from cambench import maps
from cambench.contrastive import reconstructed
from cambench.metrics.asked import ClassMaps, checked
from cambench.metrics.core.contrastive import RULES, Score, contrastive, overlap, predicted

VARIANTS = (*RULES, "pairwise")


@torch.no_grad()
def measure(image: Tensor, label: Tensor, mask: Tensor, class_maps: ClassMaps, *, score: Score = "iou") -> dict[str, Tensor]:
    """IoU of H with the region of the reconstructed map, by several rules; pairwise: the mean IoU of D_(ct,c), c ≠ ct, at ½.

    Source: Table 2, with our rules (ContrastiveCAM protocol §2: the paper states none). H: cells with any pixel of the
    object. score `dice`: their Dice coefficient in its place. image (N,3,H,W), label (N,), mask (N,H,W) bool
    -> columns (N,), one a rule; an empty H does not count.
    Raises: CambenchError for maps that are not finite or of a single class.
    """
    maps_of = checked(class_maps(image), "class maps")
    core = maps.on_grid(mask, (maps_of.shape[2], maps_of.shape[3]))
    counted = core.flatten(1).any(1)
    own = reconstructed(maps_of, label)
    columns = {rule: overlap(predicted(own, rule), core, score) for rule in RULES}
    against = contrastive(maps_of, label)
    pairs = against.shape[1]
    regions = predicted(against.flatten(0, 1), "0.5")
    columns["pairwise"] = overlap(regions, core.repeat_interleave(pairs, 0), score).view(-1, pairs).mean(1)
    return {**{k: torch.where(counted, v, torch.nan) for k, v in columns.items()}, "counted": counted}
