"""The random control: uniform, the same for an image in any batch, another for another image."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from cambench.explainers.batch import explain_batch

MODEL = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


def maps(images: torch.Tensor) -> torch.Tensor:
    """Random maps at the convolution's grid."""
    return explain_batch(MODEL, images, explainer="random", layer="0").maps


def test_a_random_map_belongs_to_its_image() -> None:
    images = torch.randn(6, 3, 33, 33, generator=torch.Generator().manual_seed(0))
    together = maps(images)
    assert together.shape == (6, 16, 16)
    assert torch.equal(together[2:3], maps(images[2:3]))
    assert not torch.equal(together[0], together[1])
    assert float(together.min()) >= 0
    assert float(together.max()) < 1
    assert abs(float(together.mean()) - 0.5) < 0.03


def test_a_centered_map_knows_the_size_of_the_image_alone() -> None:
    """By hand at 224 px: σ = 60, so that pixel (112, 112) is e^{−(½² + ½²)/7200} and a corner e^{−2·111.5²/7200}."""
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    found = explain_batch(MODEL, images, explainer="center", layer="0").maps
    assert found.shape == (2, 224, 224) and torch.equal(found[0], found[1])
    assert float(found[0, 112, 112]) == pytest.approx(math.exp(-0.5 / 7200), rel=1e-7)
    assert float(found[0, 0, 0]) == pytest.approx(math.exp(-2 * 111.5**2 / 7200), rel=1e-6)
    assert float(found[0, 0, 112]) == pytest.approx(math.exp(-(111.5**2 + 0.25) / 7200), rel=1e-6)
    wide = explain_batch(MODEL, images[:1, :, :56], explainer="center", layer="0").maps
    torch.testing.assert_close(wide[0, :, 100], found[0, ::4, 100], rtol=0, atol=0.02)
