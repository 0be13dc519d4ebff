"""What every benchmark is run with, and the network that it is run on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from cambench.models import build

CLASSES = 200


@dataclass(frozen=True)
class Settings:
    """Rounds that a median is taken over, images in a batch; of `stability` and `training-steps` the methods (none: all), of
    the first the seeds; the folder of results; of `loader` the folders of photographs."""

    rounds: int = 7
    batch: int = 16
    methods: tuple[str, ...] = ()
    seeds: int = 10
    results: Path = Path("results/benchmarks")
    photographs: tuple[Path, ...] = ()


def resnet50() -> nn.Module:
    """ResNet-50 with 200 classes and batch norms that are not the identity, in eval mode."""
    model = build("resnet50", CLASSES, seed=0)
    generator = torch.Generator().manual_seed(0)
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            assert m.running_var is not None
            m.running_var.uniform_(0.5, 1.5, generator=generator)
    return model.eval()


def images(n: int, size: int = 224) -> Tensor:
    """Smooth random images (N,3,H,W), about as bright as normalised photographs."""
    noise = torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return nn.functional.interpolate(noise, size=(size, size), mode="bicubic")
