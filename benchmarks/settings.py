"""What every benchmark is run with, and the network that it is run on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from cambench.models import build

CLASSES = 200
FILE = "explainers-speed.csv"
"""Where `cams`, `masks` and `metrics` write their medians."""


@dataclass(frozen=True)
class Settings:
    """Rounds that a median is taken over, images in a batch; of `stability`, `training-steps`, `agreement` and `metrics`
    the methods (none: all), of the first the seeds; the folder of results; of `loader` and `agreement` photographs."""

    rounds: int = 7
    batch: int = 16
    methods: tuple[str, ...] = ()
    seeds: int = 10
    results: Path = Path("results/benchmarks")
    photographs: tuple[Path, ...] = ()


def resnet50() -> nn.Module:
    """ResNet-50, see `network`."""
    return network("resnet50")


def resnet18() -> nn.Module:
    """ResNet-18, see `network`."""
    return network("resnet18")


def network(arch: str) -> nn.Module:
    """A network with 200 classes and batch norms that are not the identity, in eval mode."""
    model = build(arch, CLASSES, seed=0)
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


def passes(model: nn.Module, sizes: Sequence[int]) -> Callable[[], None]:
    """Bare forward passes of so many images each, in inference mode."""
    batches = [images(n) for n in sizes]

    def run() -> None:
        with torch.inference_mode():
            for batch in batches:
                model(batch)

    return run
