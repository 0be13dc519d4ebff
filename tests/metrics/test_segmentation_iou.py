"""Segmentation IoU by hand and against scikit-learn."""

from __future__ import annotations

import pytest
import torch

from cambench.metrics.accuracy import segmentation_iou
from cambench.vocabulary import CambenchError


def scores(said: torch.Tensor, channels: int) -> torch.Tensor:
    """Pixel scores whose best class is `said` (−1: background)."""
    return torch.nn.functional.one_hot(said + 1, channels).permute(0, 3, 1, 2).float()


def test_by_hand() -> None:
    true = torch.tensor([[[0, 0], [-1, -1]], [[1, -1], [-1, -1]]])
    said = torch.tensor([[[0, -1], [-1, -1]], [[1, 1], [-1, 0]]])
    rows = segmentation_iou.measure(torch.zeros(2, 3, 2, 2), true, lambda x: scores(said, 4))
    assert rows["intersection"].tolist() == [[2, 1, 0, 0], [1, 0, 1, 0]]
    assert rows["union"].tolist() == [[3, 2, 0, 0], [3, 1, 2, 0]]
    values = segmentation_iou.mean(rows)
    assert values[""] == pytest.approx((1 / 3 + 1 / 2) / 2)  # class 2 is neither shown nor said
    assert values["with-background"] == pytest.approx((3 / 6 + 1 / 3 + 1 / 2) / 3)


def test_it_is_scikit_learns_jaccard() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    generator = torch.Generator().manual_seed(0)
    true, said = (torch.randint(-1, 4, (5, 9, 7), generator=generator) for _ in range(2))
    rows = segmentation_iou.measure(torch.zeros(5, 3, 9, 7), true, lambda x: scores(said, 5))
    expected = metrics.jaccard_score(true.flatten(), said.flatten(), average=None)
    assert segmentation_iou.by_class(rows).tolist() == pytest.approx(expected.tolist(), rel=1e-12)
    assert segmentation_iou.mean(rows)[""] == pytest.approx(expected[1:].mean(), rel=1e-12)


def test_nothing_to_measure_and_bad_scores() -> None:
    nothing = torch.full((1, 2, 2), -1)
    with pytest.raises(CambenchError, match="pixel of a class in truth or prediction"):
        segmentation_iou.mean(segmentation_iou.measure(torch.zeros(1, 3, 2, 2), nothing, lambda x: scores(nothing, 3)))
    with pytest.raises(CambenchError, match="pixel scores: expected finite"):
        segmentation_iou.measure(torch.zeros(1, 3, 2, 2), nothing, lambda x: scores(nothing, 3) * torch.nan)


def test_pixels_that_are_ignored_count_for_nothing() -> None:
    true = torch.tensor([[[0, 0], [-1, -2]], [[1, -2], [-1, -1]]])
    said = torch.tensor([[[0, -1], [-1, 1]], [[1, 1], [-1, 0]]])
    rows = segmentation_iou.measure(torch.zeros(2, 3, 2, 2), true, lambda x: scores(said, 4))
    assert rows["intersection"].tolist() == [[1, 1, 0, 0], [1, 0, 1, 0]]
    assert rows["union"].tolist() == [[2, 2, 0, 0], [2, 1, 1, 0]]
