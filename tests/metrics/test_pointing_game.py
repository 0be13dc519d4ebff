"""The pointing game against a loop over pixels, by hand, and at its edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import pointing_game as slow

from cambench.metrics import find_metric
from cambench.metrics.localisation.boxes import box_mask
from cambench.metrics.localisation.pointing_game import measure
from cambench.vocabulary import CambenchError


@pytest.mark.parametrize("tolerance", [0, 1, 1.5, 4])
@pytest.mark.parametrize("levels", [3, 1000])
def test_it_is_the_loop_over_pixels(tolerance: float, levels: int) -> None:
    rng = np.random.default_rng(0)
    heatmap = rng.integers(-levels, levels, (30, 9, 13)) / 7  # few levels: several pixels are the highest
    mask = rng.random((30, 9, 13)) < 0.03
    expected = [slow.pointing_game(h, m, tolerance) for h, m in zip(heatmap, mask, strict=True)]
    assert measure(torch.from_numpy(heatmap), torch.from_numpy(mask), tolerance=tolerance).tolist() == pytest.approx(
        expected
    )
    assert 0 in expected and max(expected) > 0


def test_the_distance_is_to_the_nearest_of_several_objects() -> None:
    """Two boxes of 40×60 pixels; the highest pixel is 3 below and 4 right of the corner of the second: 5 away."""
    mask = box_mask([(0, 0, 4, 4), (20, 30, 24, 34)], 60, 60, "half-open", "correct")[None]
    heatmap = torch.full((1, 60, 60), -9.0)
    heatmap[0, 33 + 3, 23 + 4] = -1.0  # signed: all negative, still the highest
    assert [float(measure(heatmap, mask, tolerance=t)) for t in (0, 4.9, 5, 15)] == [0, 0, 1, 1]
    heatmap[0, 2, 2] = 0.0
    assert measure(heatmap, mask, tolerance=0).tolist() == [1]


def test_the_default_is_fifteen_pixels() -> None:
    mask = torch.zeros(1, 1, 40, dtype=torch.bool)
    mask[0, 0, 0] = True
    for distance, hit in ((15, 1), (16, 0)):
        heatmap = torch.zeros(1, 1, 40)
        heatmap[0, 0, distance] = 1
        assert measure(heatmap, mask).tolist() == [hit]
    assert find_metric("pointing-game").measure(heatmap, mask).tolist() == [0]
    assert find_metric("pointing-game:tolerance=16").measure(heatmap, mask).tolist() == [1]


def test_a_constant_map_scores_the_share_of_the_picture() -> None:
    mask = torch.zeros(2, 10, 10, dtype=torch.bool)
    mask[:, :3, :4] = True
    assert measure(torch.zeros(2, 10, 10), mask, tolerance=0).tolist() == [0.12, 0.12]
    assert measure(torch.full((2, 10, 10), -3.0), mask).tolist() == [1, 1], "nothing is farther than 15 pixels"


def test_a_mask_without_a_pixel_is_never_hit() -> None:
    assert measure(torch.rand(1, 8, 8), torch.zeros(1, 8, 8, dtype=torch.bool)).tolist() == [0]


def test_wrong_arguments_are_refused() -> None:
    mask = torch.ones(1, 2, 2, dtype=torch.bool)
    with pytest.raises(CambenchError, match=r"pointing-game: expected heatmap and mask of one shape, got \(1, 2, 3\)"):
        measure(torch.ones(1, 2, 3), mask)
    with pytest.raises(CambenchError, match="heatmaps: expected finite values"):
        measure(torch.full((1, 2, 2), torch.nan), mask)


def test_its_entry() -> None:
    metric = find_metric("pointing-game")
    assert metric.variants == ("correct",) and metric.at_annotation and metric.passes == 1
    assert find_metric("pointing-game:tolerance=15") is metric
