"""MaxBoxAccV2 against OpenCV's contours, bit for bit, and its fixtures by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cambench.metrics import find_metric
from cambench.metrics.localisation import max_box_acc
from cambench.metrics.localisation.contour_boxes import ARCS, best_ious
from cambench.metrics.localisation.largest_contour import HALVES, largest_boxes, largest_ious
from cambench.vocabulary import CambenchError

pytest.importorskip("cv2")
from reference import max_box_acc as slow  # noqa: E402

Map = NDArray[np.uint8]


def truth(rng: np.random.Generator, height: int, width: int, n: int) -> NDArray[np.int64]:
    """Random boxes with inclusive corners."""
    x, y = (np.sort(rng.integers(0, side, (n, 2)), 1) for side in (width, height))
    return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], 1)


def test_random_tiny_maps_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2500):
        height, width = rng.integers(1, 12, 2)
        top = rng.choice([1, 2, 3, 5, 20, 255])
        q = rng.integers(0, top + 1, (height, width)).astype(np.uint8)
        boxes = truth(rng, height, width, rng.integers(1, 4))
        assert best_ious(q, boxes).tolist() == slow.best_ious(q, boxes)
        assert largest_ious(q, boxes).tolist() == slow.best_ious(q, boxes, "largest")


def fields() -> list[tuple[str, Map]]:
    """Maps like those that explainers make, and degenerate ones."""
    import cv2

    rng = np.random.default_rng(1)
    coarse, fine = rng.random((7, 7)), rng.random((96, 96))
    y, x = np.mgrid[:96, :96] - 47.5
    raw = {
        "bilinear cam": cv2.resize(coarse, (96, 96), interpolation=cv2.INTER_LINEAR),
        "cubic cam": cv2.resize(coarse, (96, 96), interpolation=cv2.INTER_CUBIC),
        "smooth field": cv2.GaussianBlur(fine, (0, 0), 5),
        "blurred gradient": cv2.GaussianBlur(np.abs(rng.standard_normal((96, 96))), (0, 0), 1.2),
        "ring": np.exp(-((np.hypot(x, y) - 30) ** 2) / 40),
        "dim": fine * 0.1,
        "checkerboard": np.indices((40, 40)).sum(0) % 2 * 1.0,
        "constant": np.ones((96, 96)),
        "zero": np.zeros((96, 96)),
    }
    return [(name, (255 * np.clip(m if m.max() <= 1 else m / m.max(), 0, 1)).astype(np.uint8)) for name, m in raw.items()]


@pytest.mark.parametrize(("name", "q"), fields(), ids=lambda v: v if isinstance(v, str) else "")
def test_maps_like_those_of_explainers_bit_for_bit(name: str, q: Map) -> None:
    boxes = truth(np.random.default_rng(2), *q.shape, 3)
    assert best_ious(q, boxes).tolist() == slow.best_ious(q, boxes)
    assert largest_ious(q, boxes).tolist() == slow.best_ious(q, boxes, "largest")
    for level, box in enumerate(largest_boxes(q, int(q.max()), ARCS[0], HALVES)):
        assert [tuple(box.tolist())] == slow.boxes(q > level, "largest")


def grid(side: int, *holes: tuple[int, int], low: int = 0, high: int | None = None) -> list[tuple[int, int]]:
    """The pixels low … high − 1 of a square in both directions, but for the holes."""
    places = range(low, side if high is None else high)
    return [(y, x) for y in places for x in places if (y, x) not in holes]


FRAME = grid(9, *grid(9, low=3, high=6), low=1, high=8)


@pytest.mark.parametrize(
    ("on", "side", "expected"),
    [
        ([(2, 2)], 5, [(2, 2, 3, 3)]),
        ([(4, 4)], 5, [(4, 4, 4, 4)]),
        (grid(5), 5, [(0, 0, 4, 4)]),
        ([(0, 0), (1, 1)], 2, [(0, 0, 1, 1)]),
        (FRAME, 9, [(1, 1, 8, 8), (2, 2, 7, 7)]),
        (grid(6, (2, 2), (3, 3)), 6, [(0, 0, 5, 5), (1, 1, 4, 4), (2, 2, 5, 5)]),
    ],
)
def test_the_boxes_of_the_specification(on: list[tuple[int, int]], side: int, expected: list[tuple[int, ...]]) -> None:
    q = np.zeros((side, side), np.uint8)
    for place in on:
        q[place] = 1
    assert sorted(slow.boxes(q > 0)) == sorted(expected)
    for box in expected:  # each box meets itself exactly, and a box that is not there does not
        assert best_ious(q, np.array([box])).tolist() == [1.0]
    other = np.array([(0, 0, 0, 0)])
    assert best_ious(q, other).tolist() == slow.best_ious(q, other)


def test_thresholds_truncate_as_the_evaluator_does() -> None:
    rng = np.random.default_rng(3)
    heatmap = rng.random((12, 12))
    boxes = [(1.9, 2.0, 8.7, 9.2)]
    q = (255 * heatmap).astype(np.uint8)
    levels = slow.best_ious(q, np.array([(1, 2, 8, 9)]))
    expected = [levels[int(t * q.max())] for t in np.arange(0, 1, 0.001)]
    assert max_box_acc.curve(heatmap, boxes).tolist() == expected
    rows = max_box_acc.measure(torch.from_numpy(heatmap)[None], [boxes])
    assert rows["0.3"][0].tolist() == [v >= 0.3 for v in expected]


def test_the_value_by_hand() -> None:
    hits = torch.zeros(4, 3, dtype=torch.bool)
    hits[:3, 0] = True  # the first threshold is right for 3 of 4 images, the second for the other one
    hits[3, 1] = True
    values = max_box_acc.mean({"0.3": hits, "0.5": hits & False, "0.7": hits.flip(0)[:, [1, 0, 2]]})
    assert values == {"": (0.75 + 0 + 0.75) / 3, "0.3": 0.75, "0.5": 0.0, "0.7": 0.75}


def test_the_first_form_looks_at_the_largest_contour_and_one_overlap() -> None:
    """A large dim object and a small bright one: the second is met by its own box, but never by the largest."""
    heatmap = torch.zeros(1, 20, 20, dtype=torch.float64)
    heatmap[0, 2:14, 2:14], heatmap[0, 16:18, 16:18] = 0.5, 0.6
    heatmap[0, 5:7, 5:9] = 1.0
    boxes = [[(16, 16, 18, 18)]]
    first, second = find_metric("max-box-acc-v1"), find_metric("max-box-acc")
    assert first.variants == ("",) and second.variants == ("", "0.3", "0.5", "0.7")
    hits = {metric.name: metric.rows.mean(metric.measure(heatmap, boxes)) for metric in (first, second)}
    assert hits == {"max-box-acc-v1": {"": 0, "0.5": 0}, "max-box-acc": {"": 1, "0.3": 1, "0.5": 1, "0.7": 1}}
    rows = first.measure(heatmap, [[(2, 2, 14, 14)]])
    assert rows["0.5"].shape == (1, 1000) and first.rows.mean(rows) == {"": 1.0, "0.5": 1.0}


def test_a_map_without_foreground_has_the_corner_as_its_box() -> None:
    zero = np.zeros((10, 10))
    assert max_box_acc.curve(zero, [(0.0, 0.0, 1.0, 4.0)]).tolist() == [0.1] * 1000
    assert max_box_acc.curve(zero, [(1.0, 0.0, 1.0, 4.0)]).max() == 0
    assert max_box_acc.inclusive_iou((1, 2, 5, 6), (3, 1, 4, 5)) == 8 / 27


def test_bad_maps_and_images_without_boxes() -> None:
    with pytest.raises(CambenchError, match=r"maps in \[0, 1\], got values from 0.0 to 2.0"):
        max_box_acc.measure(torch.tensor([[[0.0, 2.0]]]), [[(0, 0, 1, 1)]])
    with pytest.raises(CambenchError, match=r"maps in \[0, 1\], got values from nan"):
        max_box_acc.measure(torch.tensor([[[0.0, torch.nan]]]), [[(0, 0, 1, 1)]])
    with pytest.raises(CambenchError, match="at least one annotated box"):
        max_box_acc.measure(torch.zeros(1, 2, 2), [[]])
