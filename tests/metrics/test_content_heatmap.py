"""Content heatmap and box masks: pixel-by-pixel twin, hand-sized boxes, the wrap of the released code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import content_heatmap as twin

from cambench import maps
from cambench.metrics import INDEX
from cambench.metrics.localisation.boxes import box_mask
from cambench.metrics.localisation.content_heatmap import measure
from cambench.vocabulary import CambenchError, UsageError

STEPS = INDEX["ch"].maps.steps


def spans(mask: torch.Tensor) -> tuple[list[int], list[int]]:
    """The rows and the columns that a rectangular mask marks."""
    rows, columns = mask.any(1).nonzero()[:, 0].tolist(), mask.any(0).nonzero()[:, 0].tolist()
    assert int(mask.sum()) == len(rows) * len(columns)
    return rows, columns


def test_scores_match_their_twin() -> None:
    raw = torch.randn(3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(3, 11, 14, dtype=torch.bool)
    mask[0, 2:7, 3:9], mask[1, :, :4], mask[2, 10, 13] = True, True, True
    scores = measure(maps.apply(raw, STEPS, (11, 14)), mask)
    for i in range(3):
        assert float(scores[i]) == pytest.approx(twin.content_heatmap(raw[i].numpy(), mask[i].numpy()), rel=1e-10)


def test_scores_by_hand() -> None:
    heatmap = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    for marked, score in [((0, 0), 0.1), ((1, 1), 0.4), ((1, slice(None)), 0.7), (slice(None), 1.0)]:
        mask = torch.zeros(1, 2, 2, dtype=torch.bool)
        mask[0][marked] = True
        assert measure(heatmap, mask).tolist() == pytest.approx([score])
        assert measure(heatmap * 7, mask).tolist() == pytest.approx([score])
    assert measure(heatmap, torch.zeros(1, 2, 2, dtype=torch.bool)).tolist() == [0.0]


def test_a_uniform_or_empty_heatmap_scores_the_area_of_the_mask() -> None:
    mask = torch.zeros(2, 10, 10, dtype=torch.bool)
    mask[:, :3, :4] = True
    raw = torch.stack([torch.ones(3, 3), -torch.rand(3, 3)])
    assert measure(maps.apply(raw, STEPS, (10, 10)), mask).tolist() == pytest.approx([0.12, 0.12], rel=1e-6)


def test_a_perfect_map_scores_100_percent() -> None:
    mask = torch.zeros(1, 6, 6, dtype=torch.bool)
    mask[0, 1:4, 2:5] = True
    assert measure(mask.float(), mask).tolist() == [1.0]


def test_each_image_is_scored_by_itself() -> None:
    heatmap, mask = torch.rand(5, 6, 7), torch.rand(5, 6, 7) > 0.5
    alone = torch.cat([measure(heatmap[i : i + 1], mask[i : i + 1]) for i in range(5)])
    assert torch.equal(measure(heatmap, mask), alone)


@pytest.mark.parametrize(
    ("convention", "box", "official", "correct"),
    [
        ("inclusive", (2, 3, 5, 4), ([2, 3], [1, 2, 3, 4]), ([3, 4], [2, 3, 4, 5])),
        ("inclusive", (0, 3, 5, 4), ([], []), ([3, 4], [0, 1, 2, 3, 4, 5])),  # touches 0: the released slice wraps
        ("inclusive", (0, 0, 9, 7), ([], []), (list(range(8)), list(range(10)))),
        ("one-based", (1, 1, 3, 2), ([0, 1], [0, 1, 2]), ([0, 1], [0, 1, 2])),
        ("one-based", (0, 1, 3, 2), ([], []), ([0, 1], [0, 1, 2])),
        ("half-open", (2.7, 3.2, 5.7, 6.2), ([2, 3, 4, 5], [1, 2, 3, 4]), ([3, 4, 5], [2, 3, 4])),  # CUB: floored
        ("half-open", (0, 0, 10, 8), ([7], [9]), (list(range(8)), list(range(10)))),  # a wrap that marks the last pixel
        ("inclusive", (7, 6, 30, 30), ([5, 6, 7], [6, 7, 8, 9]), ([6, 7], [7, 8, 9])),
        ("half-open", (-3, -2, 4, 2), ([], []), ([0, 1], [0, 1, 2, 3])),
        ("inclusive", (-6, 3, -3, 4), ([2, 3], [3, 4, 5, 6]), ([], [])),  # beside the image: the released slice wraps
        ("inclusive", (3, -6, 4, -3), ([1, 2, 3, 4], [2, 3]), ([], [])),
    ],
)
def test_boxes_by_hand(
    convention: str, box: tuple[float, ...], official: tuple[list, list], correct: tuple[list, list]
) -> None:
    assert spans(box_mask([box], 8, 10, convention, "official")) == official
    assert spans(box_mask([box], 8, 10, convention, "correct")) == correct


def test_the_official_mode_is_a_python_slice() -> None:
    g = np.random.default_rng(0)
    for _ in range(50):
        x0, y0 = g.integers(0, 6, 2)
        x1, y1 = x0 + g.integers(0, 5), y0 + g.integers(0, 5)
        mask = np.zeros((8, 10), dtype=bool)
        mask[y0 - 1 : y1, x0 - 1 : x1] = True
        assert np.array_equal(box_mask([(x0, y0, x1, y1)], 8, 10, "inclusive", "official").numpy(), mask)


def test_several_boxes_are_united_and_none_marks_nothing() -> None:
    boxes = [(1, 1, 3, 3), (3, 3, 6, 5)]
    one_by_one = [box_mask([b], 8, 10, "inclusive", "correct") for b in boxes]
    both = box_mask(boxes, 8, 10, "inclusive", "correct")
    assert torch.equal(both, one_by_one[0] | one_by_one[1]) and int(both.sum()) == 9 + 12 - 1
    assert not bool(box_mask([], 8, 10, "inclusive").any())


def test_wrong_arguments_are_refused() -> None:
    mask = torch.ones(1, 2, 2, dtype=torch.bool)
    with pytest.raises(CambenchError, match=r"\(1, 2, 3\) and \(1, 2, 2\)"):
        measure(torch.ones(1, 2, 3), mask)
    with pytest.raises(CambenchError, match="positive, finite sum, got 0.0"):
        measure(torch.zeros(1, 2, 2), mask)
    with pytest.raises(CambenchError, match="positive, finite sum, got nan"):
        measure(torch.full((1, 2, 2), torch.nan), mask)
    with pytest.raises(UsageError, match="official or correct, got 'both'"):
        box_mask([(0, 0, 1, 1)], 2, 2, "inclusive", "both")
    with pytest.raises(UsageError, match="half-open or one-based, got 'xywh'"):
        box_mask([(0, 0, 1, 1)], 2, 2, "xywh", "correct")
