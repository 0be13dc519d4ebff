"""Drop and increase against a loop over pixels, by hand, and what the index says of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from reference import drop_increase as slow
from torch import Tensor
from torch.nn.functional import avg_pool2d

from cambench.metrics import INDEX
from cambench.metrics.faithfulness import drop_increase
from cambench.vocabulary import CambenchError


@pytest.mark.parametrize("ties", [False, True])
def test_it_is_the_loop_over_pixels(ties: bool) -> None:
    images = np.random.default_rng(1).normal(size=(12, 3, 8, 12))
    weights = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 3 * 8 * 12)))

    def predict(x: Tensor) -> Tensor:
        return 0.1 * x.flatten(1) @ weights.T

    def explain(x: Tensor, classes: Tensor) -> Tensor:
        evidence = (x * weights[classes].view_as(x)).sum(1) * (1 - 2 * (classes[:, None, None] % 2))  # odd classes: inverted
        if ties:
            return evidence.round()  # at the image's own size, so that ties stay ties
        return avg_pool2d(evidence, 2)

    found = drop_increase.measure(predict, torch.from_numpy(images), explain)
    expected = slow.drop_increase(predict, explain, images)
    assert tuple(found) == drop_increase.variants()
    for name, rows in found.items():
        wanted = [e[name] for e in expected]
        np.testing.assert_allclose(rows.numpy(), wanted, rtol=1e-9, atol=1e-12)
        assert max(wanted) > 0, f"{name}: nothing to see"
        assert rows.dtype == torch.float64


def test_by_hand_on_a_classifier_that_sums_two_halves() -> None:
    """4×5 pixels: class 0 sums the first row, class 1 the others. Keeping 3 of 20 pixels keeps three of the first row."""
    image = torch.zeros(1, 3, 4, 5)
    image[0, 0, 0], image[0, 0, 1:] = 1.0, 0.2

    def predict(x: Tensor) -> Tensor:
        return torch.stack([x[:, 0, 0].sum(1), x[:, 0, 1:].sum((1, 2))], 1)  # 5 and 3

    def first_row(x: Tensor, classes: Tensor) -> Tensor:
        assert classes.tolist() == [0]
        heat = torch.full((1, 4, 5), -2.0)
        heat[:, 0] = -1.0  # signed: all negative, still the largest
        return heat

    def sigmoid(v: float) -> float:
        return 1 / (1 + math.exp(-v))

    found = {name: float(rows) for name, rows in drop_increase.measure(predict, image, first_row).items()}
    p = sigmoid(2)
    for kept, after in (("0.15", sigmoid(3)), ("0.30", sigmoid(5 - 0.2)), ("0.45", sigmoid(5 - 0.8))):
        assert found[f"{kept}/increase-mag"] == pytest.approx((after - p) / p, rel=1e-6)
        assert [found[f"{kept}/{c}"] for c in ("drop-percent", "drop-mag", "increase-percent")] == [0, 0, 1]
    worst = drop_increase.measure(predict, image, lambda x, classes: -first_row(x, classes))
    lost = (p - sigmoid(-3 * 0.2)) / p
    assert float(worst["0.15/drop-mag"]) == pytest.approx(lost, rel=1e-6) and float(worst["0.15/drop-percent"]) == 1


def test_a_tie_counts_in_none() -> None:
    found = drop_increase.measure(lambda x: torch.zeros(len(x), 3), torch.randn(4, 3, 8, 8), lambda x, c: x[:, 0])
    assert all(not rows.any() for rows in found.values())


def test_counts_of_pixels_directions_and_needs() -> None:
    counts = [[drop_increase.count(t, side * side) for t in drop_increase.KEPT] for side in (32, 64)]
    assert counts == [[153, 307, 460], [614, 1228, 1843]]
    metric = INDEX["drop-increase"]
    assert metric.fixed == "grad-cam" and metric.looks and not metric.explains and metric.printing.unit == "fraction"
    assert metric.direction("0.30/drop-mag") == "down" and metric.direction("0.30/increase-percent") == "up"
    assert len(metric.variants) == 12


def test_nothing_that_is_not_finite_becomes_a_number() -> None:
    image = torch.randn(2, 3, 8, 8)
    with pytest.raises(CambenchError, match="maps of the predicted class"):
        drop_increase.measure(lambda x: torch.zeros(len(x), 3), image, lambda x, c: x[:, 0] * torch.nan)
    with pytest.raises(CambenchError, match="logits of whole images"):
        drop_increase.measure(lambda x: torch.full((len(x), 3), torch.nan), image, lambda x, c: x[:, 0])


def test_shares_that_two_decimals_do_not_tell_apart_have_names_of_their_own() -> None:
    names = drop_increase.variants(kept=(0.15, 0.151, 0.154, 0.3, 0.001))
    assert len(set(names)) == len(names) == 20 and "0.30/drop-mag" in names and "0.001/drop-mag" in names
