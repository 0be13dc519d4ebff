"""Cross-entropy against its formula."""

from __future__ import annotations

import math

import pytest
import torch

from cambench.losses.cross_entropy import cross_entropy


def test_it_is_the_mean_negative_log_probability() -> None:
    logits = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]], dtype=torch.float64)
    expected = (-math.log(3 / 4) - math.log(1 / 2)) / 2
    assert float(cross_entropy(logits, torch.tensor([1, 0]))) == pytest.approx(expected, abs=1e-15)


def test_half_precision_logits_are_taken_to_float32() -> None:
    logits, labels = torch.randn(4, 6).bfloat16(), torch.tensor([0, 1, 2, 5])
    with torch.autocast("cpu", torch.bfloat16):
        loss = cross_entropy(logits, labels)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(cross_entropy(logits.double(), labels)), rel=1e-6)
