"""The companion of ExCon's t-SNE figures: by hand, against the slow twin, and what is refused."""

from __future__ import annotations

import pytest
import torch
from reference import embedding as slow

from cambench.metrics.faithfulness.embedding import closeness
from cambench.vocabulary import CambenchError


def test_by_hand() -> None:
    original = torch.tensor([[0.0, 0.0], [2.0, 0.0], [1.0, 4.0], [4.0, 0.0]])
    masked = torch.tensor([[3.0, 4.0], [2.0, 1.0], [1.0, 4.0], [4.0, 2.0]])
    found = closeness(original, masked, torch.tensor([7, 7, 9, 8]))
    # own 5, 1, 0, 2; centroids (1, 0), (1, 4), (4, 0), apart 4, 3, 5
    assert found == pytest.approx((2.0, 4.0, 0.5))


def test_as_the_slow_twin() -> None:
    generator = torch.Generator().manual_seed(0)
    original = torch.randn(23, 17, generator=generator, dtype=torch.float64)
    masked = original + 0.3 * torch.randn(23, 17, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 4, (23,), generator=generator)
    wanted = slow.closeness(original.tolist(), masked.tolist(), labels.tolist())
    assert closeness(original, masked, labels) == pytest.approx(wanted, rel=1e-12)
    assert closeness(original.float(), masked.float(), labels) == pytest.approx(wanted, rel=1e-6)


def test_neither_scale_nor_place_nor_order_matter_to_the_ratio_but_which_mask_is_whose_does() -> None:
    generator = torch.Generator().manual_seed(1)
    original, masked = torch.randn(2, 12, 5, generator=generator, dtype=torch.float64)
    labels = torch.arange(12) % 3
    ratio = closeness(original, masked, labels).ratio
    assert closeness(7 * original + 5, 7 * masked + 5, labels).ratio == pytest.approx(ratio)
    order = torch.randperm(12, generator=generator)
    assert closeness(original[order], masked[order], labels[order]).ratio == pytest.approx(ratio)
    assert closeness(original, masked[order], labels).ratio != pytest.approx(ratio)
    assert closeness(original, original, labels).ratio == 0


def test_what_has_no_answer_is_refused() -> None:
    features, labels = torch.randn(4, 3), torch.tensor([0, 0, 1, 1])
    with pytest.raises(CambenchError, match=r"expected features \(N,d\).* got \(4, 3\), \(3, 3\) and \(4,\)"):
        closeness(features, features[1:], labels)
    with pytest.raises(CambenchError, match="at least two classes, got 1"):
        closeness(features, features, torch.zeros(4))
    with pytest.raises(CambenchError, match="finite features"):
        closeness(features, features / 0, labels)
    with pytest.raises(CambenchError, match="the same centroid for all"):
        closeness(torch.ones(4, 3), features, labels)
