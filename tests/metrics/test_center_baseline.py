"""MaxBoxAccV2 of a centered Gaussian over the WSOL benchmark's own boxes: no image is needed, only its metadata."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from cambench import maps
from cambench.data import readers, wsol
from cambench.explainers.control import center
from cambench.metrics.localisation import max_box_acc

ROOT = Path(os.environ.get("CAMBENCH_DATA", "datasets")) / "wsol" / "metadata"
KNOWN = {
    ("CUB", "test"): (93.91, 59.60, 17.00, 56.83),
    ("CUB", "val"): (87.70, 45.20, 9.40, 47.43),
    ("ILSVRC", "val"): (74.94, 50.36, 25.66, 50.32),
}
"""Set, split -> at an IoU of 0.3, 0.5, 0.7 and their mean, in %; ImageNet's test images give 53.39 (CALM protocol §6)."""


@pytest.mark.parametrize(("name", "split"), list(KNOWN))
def test_the_known_values(name: str, split: str) -> None:
    folder = ROOT / name / split
    if not folder.is_dir():
        pytest.skip("the WSOL benchmark's metadata is not below the data root")
    ids = [text.strip() for _, text in readers.lines(folder / "image_ids.txt")]
    boxes, sizes = wsol.localisation(folder, ids), wsol.image_sizes(folder, ids)
    heatmap = maps.min_max(center(torch.zeros(1), torch.zeros(1, 3, 224, 224)))
    found: dict[str, list[torch.Tensor]] = {str(iou): [] for iou in max_box_acc.IOUS}
    for key in ids:
        (w, h), own = sizes[key], boxes[key]
        scaled = [(x0 * 224 / w, y0 * 224 / h, x1 * 224 / w, y1 * 224 / h) for x0, y0, x1, y1 in own]
        for iou, column in max_box_acc.measure(heatmap, [scaled]).items():
            found[iou].append(column)
    values = max_box_acc.mean({iou: torch.cat(columns) for iou, columns in found.items()})
    assert [round(100 * values[iou], 2) for iou in (*map(str, max_box_acc.IOUS), "")] == list(KNOWN[name, split])
