"""PxAP against a loop over the bins, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import px_ap as slow

from cambench.metrics.localisation import px_ap
from cambench.vocabulary import CambenchError


def value(scores, positive, ignored=None, scale: str = "even") -> float:
    """AP through `measure` and `mean`; positives are of class 3."""
    regions = torch.where(torch.as_tensor(positive), 3, -1)
    if ignored is not None:
        regions = torch.where(torch.as_tensor(ignored), px_ap.IGNORED, regions)
    label = torch.full((len(regions),), 3)
    return px_ap.mean(px_ap.measure(torch.as_tensor(scores), label, regions, scale=scale))[""]


@pytest.mark.parametrize("scale", ["even", "log"])
def test_it_is_the_loop_over_the_bins(scale: str) -> None:
    rng = np.random.default_rng(0)
    scores = rng.choice([0.0, 1.0, 0.5, 1e-8, 0.001, 0.999, *rng.random(10), *(10 ** -rng.uniform(0, 8, 10))], (3, 8, 8))
    positive, ignored = rng.random((3, 8, 8)) < 0.4, rng.random((3, 8, 8)) < 0.1
    expected = slow.px_ap(scores, positive & ~ignored, ignored, scale)
    assert value(scores, positive, ignored, scale) == pytest.approx(expected, rel=1e-12)
    assert 0.05 < expected < 0.95


def test_by_hand() -> None:
    scores = np.array([[[0.9, 0.6], [0.3, 0.1]]])
    assert value(scores, np.array([[[1, 1], [0, 0]]], bool)) == pytest.approx(1.0)
    assert value(scores, np.array([[[1, 0], [1, 0]]], bool)) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert value(np.full((1, 4, 4), 0.4), np.eye(4, dtype=bool)[None]) == pytest.approx(0.25)  # the share of positives
    assert value(np.array([[[1.0, 0.0]]]), np.array([[[True, False]]])) == 1.0  # a perfect binary map


def test_small_scores_fall_out_of_the_logarithmic_bins() -> None:
    scores = np.array([[[0.5, 1e-8, 1e-8, 0.0]]])
    positive = np.array([[[True, True, False, False]]])
    rows = px_ap.measure(
        torch.as_tensor(scores), torch.tensor([3]), torch.where(torch.as_tensor(positive), 3, -1), scale="log"
    )
    assert int(rows["positive"].sum()) == 1 and int(rows["negative"].sum()) == 0
    assert value(scores, positive, scale="log") == 1.0 and value(scores, positive) < 1.0


def test_no_positive_pixel_and_bad_scores() -> None:
    with pytest.raises(CambenchError, match="pixel of an object"):
        value(np.zeros((1, 2, 2)), np.zeros((1, 2, 2), bool))
    with pytest.raises(CambenchError, match=r"maps in \[0, 1\]"):
        value(np.full((1, 2, 2), 1.5), np.ones((1, 2, 2), bool))
