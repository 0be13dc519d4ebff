"""Residual networks for small images, in the shape of torchvision's: conv1, bn1, layer1, layer2, …, avgpool, fc.

Source: He et al. 2016, "Deep Residual Learning for Image Recognition", §4.2: a 3×3 convolution, three stages of 2n 3×3
convolutions with 16, 32, 64 filters at full, half and quarter size, global average pooling, one linear layer: 6n + 2 layers.
Other widths give other sizes of it; four stages with n = 2 are the shape of its ResNet-18.
Departure: where the shape changes the shortcut is a 1×1 projection with batch norm (option B; He et al. 2016 §4.2 pads with
zeros, option A), as in torchvision, so that both families are cut and read alike.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

from torch import Tensor, nn

WIDTHS = (16, 32, 64)
"""Filters of the three stages in the paper."""


class BasicBlock(nn.Module):
    """relu(bn2(conv2(relu(bn1(conv1 x)))) + shortcut x). (N,K,h,w) -> (N,K',h/stride,w/stride)."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != channels:
            projection = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """x (N,K,h,w) -> (N,K',h',w')."""
        shortcut = x if self.downsample is None else self.downsample(x)  # first: in bf16 autocast ends at an explained layer
        inner = self.relu(self.bn1(self.conv1(x)))
        return cast(Tensor, self.relu(self.bn2(self.conv2(inner)) + shortcut))


class CifarResNet(nn.Module):
    """2·`blocks` layers a stage, 2 besides, for images (N,3,H,W) -> logits (N,C). widths: filters of the stages."""

    def __init__(self, blocks: int, num_classes: int = 10, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU()
        self.stages = [f"layer{i + 1}" for i in range(len(widths))]
        for name, (before, after) in zip(self.stages, pairwise((widths[0], *widths)), strict=True):
            self.add_module(name, stage(before, after, blocks, stride=1 if name == "layer1" else 2))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths[-1], num_classes)
        for module in self.modules():  # as torchvision begins its ResNets: no residual batch norm starts at zero
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """images (N,3,H,W) -> logits (N,C)."""
        x = self.relu(self.bn1(self.conv1(x)))
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return cast(Tensor, self.fc(self.avgpool(x).flatten(1)))


def stage(channels_in: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    """`blocks` blocks, the first of which carries the stride."""
    rest = [BasicBlock(channels, channels, 1) for _ in range(blocks - 1)]
    return nn.Sequential(BasicBlock(channels_in, channels, stride), *rest)
