"""Ground-truth regions at the resolution of the annotation, in batches of images of one size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import cast

import torch
from torch import Tensor

from cambench.data.regions import boxes_of, size_of
from cambench.metrics.localisation.boxes import Mode, box_mask
from cambench.vocabulary import Dataset


def mask_batches(
    dataset: Dataset, rows: Sequence[int], modes: Sequence[str], batch_size: int
) -> Iterator[tuple[tuple[int, ...], tuple[int, int], list[Tensor]]]:
    """(rows, (H, W), one mask (N,H,W) a mode) over consecutive annotated images of equal size.

    The size is the annotation's; where it states none, the image's own.
    """
    known = [cast(Mode, mode) for mode in modes]
    boxes = {r: own for r in rows if (own := boxes_of(dataset, r))}
    sizes = {r: size_of(dataset, r) for r in boxes}
    for (width, height), same in groupby(boxes, key=sizes.__getitem__):
        alike = list(same)
        for start in range(0, len(alike), batch_size):
            part = tuple(alike[start : start + batch_size])
            masks = [
                torch.stack([box_mask(boxes[r], height, width, dataset.box_convention, mode) for r in part])
                for mode in known
            ]
            yield part, (height, width), masks
