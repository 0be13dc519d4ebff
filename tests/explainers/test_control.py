"""The random control: uniform, the same for an image in any batch, another for another image."""

from __future__ import annotations

import torch
from torch import nn

from cambench.explainers import explain_batch

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
