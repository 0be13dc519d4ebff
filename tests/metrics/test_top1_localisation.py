"""Top-1 localisation against OpenCV's contours, by hand, and at its edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import max_box_acc as slow
from torch import Tensor

from cambench.metrics import find_metric
from cambench.metrics.localisation.top1_localisation import measure
from cambench.vocabulary import CambenchError


def says(*classes: int):
    """A network of seven classes that is surest of these, one an image, then of those after them in their order."""

    def predict(image: Tensor) -> Tensor:
        return torch.stack([-((torch.arange(7.0) - best) % 7) for best in classes])

    return predict


@pytest.mark.parametrize(("threshold", "iou"), [(0.2, 0.5), (0.15, 0.3), (0.55, 0.1)])
def test_it_is_the_box_of_opencvs_largest_contour(threshold: float, iou: float) -> None:
    import cv2

    rng = np.random.default_rng(0)
    heatmap = np.stack([cv2.resize(rng.random((4, 4)), (20, 16), interpolation=cv2.INTER_LINEAR) for _ in range(40)])
    heatmap = (heatmap - heatmap.min((1, 2), keepdims=True)) / np.ptp(heatmap, (1, 2), keepdims=True)
    boxes = [[(2.0, 3.0, 9.7, 8.2), (8.0, 1.0, 18.0, 15.0)][: 1 + i % 2] for i in range(40)]
    label = torch.arange(40) % 7
    rows = measure(
        says(*(label * label % 7).tolist()), torch.zeros(40, 3, 16, 20), torch.from_numpy(heatmap), label, boxes,
        threshold=threshold, iou=iou,
    )  # fmt: skip
    for i, own in enumerate(heatmap):
        q = (255 * own).astype(np.uint8)
        (box,) = slow.boxes(q > int(threshold * q.max()), "largest")
        meets = max(slow.iou(box, tuple(int(v) for v in truth)) for truth in boxes[i]) >= iou
        best = int(label[i]) ** 2 % 7
        five = [(best + k) % 7 for k in range(5)]
        assert bool(rows["gt-known"][i]) == meets, i
        assert bool(rows[""][i]) == (meets and best == int(label[i]))
        assert bool(rows["top5"][i]) == (meets and int(label[i]) in five)
    assert 0 < rows[""].sum() < rows["top5"].sum() < rows["gt-known"].sum() < 40


def test_by_hand() -> None:
    """A 4×4 object, the annotated 4×8 pixels, the same twice as long: IoU 1/2 is enough, one column more is not."""
    heatmap = torch.zeros(1, 12, 20, dtype=torch.float64)
    heatmap[0, 2:6, 2:6], heatmap[0, 9, 15] = 0.3, 1.0  # a small hot spot that is not the largest contour
    label = torch.tensor([3])
    image = torch.zeros(1, 3, 12, 20)

    def hits(best: int, *boxes: tuple[float, float, float, float], **options: float) -> list[float]:
        return [float(v) for v in measure(says(best), image, heatmap, label, [boxes], **options).values()]

    # stored as the evaluator stores it: x + width, so one column and row more than the pixels
    assert hits(3, (2, 2, 6, 6)) == [1, 1, 1]
    assert hits(3, (2, 2, 6, 11)) == [1, 1, 1] and hits(3, (2, 2, 6, 12)) == [0, 0, 0]
    assert hits(2, (2, 2, 6, 6)) == [0, 1, 1] and hits(5, (2, 2, 6, 6)) == [0, 0, 1]
    assert hits(3, (9, 9, 11, 11), (2, 2, 6, 6)) == [1, 1, 1], "any of several boxes may be met"
    assert hits(3, (2, 2, 6, 6), threshold=0.4) == [0, 0, 0] and hits(3, (14, 8, 16, 10), threshold=0.4, iou=0.4) == [
        1,
        1,
        1,
    ]


def test_a_map_without_foreground_has_a_box_of_one_pixel_and_a_bad_one_is_refused() -> None:
    image, label = torch.zeros(1, 3, 8, 8), torch.tensor([0])
    rows = measure(says(0), image, torch.zeros(1, 8, 8), label, [[(0, 0, 7, 7)]])
    assert [float(v) for v in rows.values()] == [0, 0, 0]
    with pytest.raises(CambenchError, match=r"top1-localisation: expected maps in \[0, 1\], got values from -1.0"):
        measure(says(0), image, torch.full((1, 8, 8), -1.0), label, [[(0, 0, 7, 7)]])
    with pytest.raises(CambenchError, match="values from nan"):
        measure(says(0), image, torch.full((1, 8, 8), torch.nan), label, [[(0, 0, 7, 7)]])
    with pytest.raises(CambenchError, match="logits: expected finite"):
        measure(lambda x: torch.full((1, 7), torch.nan), image, torch.zeros(1, 8, 8), label, [[(0, 0, 7, 7)]])
    with pytest.raises(CambenchError, match="at least one annotated box"):
        measure(says(0), image, torch.zeros(1, 8, 8), label, [[]])


def test_its_entry() -> None:
    metric = find_metric("top1-localization")
    assert metric.name == "top1-localisation" and metric.passes == 2 and metric.variants == ("", "top5", "gt-known")
    assert metric.maps.steps == find_metric("max-box-acc").maps.steps
    assert find_metric("energy-pointing-game") == find_metric("ch:scale=1")
