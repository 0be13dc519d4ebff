"""Tiny networks that end in the ways of the large ones, for surgery by structure."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, relu


def step(channels: int, out: int, stride: int = 1, act: nn.Module | None = None) -> nn.Sequential:
    """Convolution, batch norm, activation, as torchvision's Conv2dNormActivation."""
    conv = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), act or nn.ReLU6(inplace=True))


def trunk() -> nn.Sequential:
    """images -> (N,16,h/8,w/8): a stem and two reductions of its own."""
    return nn.Sequential(step(3, 8, 2), step(8, 8, 2), step(8, 12, 2), step(12, 16))


class Mobile(nn.Module):
    """As MobileNet v2: a function averages, dropout before the classifier."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.features = trunk()
        self.classifier = nn.Sequential(nn.Dropout(0.5), nn.Linear(16, classes))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(torch.flatten(adaptive_avg_pool2d(self.features(x), (1, 1)), 1))
        return logits


class Dense(nn.Module):
    """As DenseNet: transitions pool, functions rectify and average."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        layers = {
            "stem": step(3, 8, 2),
            "block1": step(8, 8),
            "transition1": nn.Sequential(nn.Conv2d(8, 8, 1), nn.AvgPool2d(2)),
        }
        more = {"block2": step(8, 16), "transition2": nn.Sequential(nn.Conv2d(16, 16, 1), nn.AvgPool2d(2))}
        last = {"block3": nn.Conv2d(16, 16, 3, 1, 1), "norm": nn.BatchNorm2d(16)}
        self.features = nn.Sequential(OrderedDict({**layers, **more, **last}))
        self.classifier = nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(relu(self.features(x), inplace=True).mean((2, 3)))
        return logits


class SamePadded(nn.Conv2d):
    """As EfficientNet-Lite's: TensorFlow's padding, settled for one size of image when it is made."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, side: int) -> None:
        super().__init__(channels, out, kernel, stride, bias=False)
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pads = (total // 2, total - total // 2) * 2
        self.static_padding = nn.ZeroPad2d(pads)

    def forward(self, input: Tensor) -> Tensor:
        return nn.functional.conv2d(self.static_padding(input), self.weight, None, self.stride)


class Lite(nn.Module):
    """As EfficientNet-Lite: static padding, one activation module for stem and end."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.act = nn.ReLU6(inplace=True)
        self.stem, self.bn0 = SamePadded(3, 8, 3, 2, 64), nn.BatchNorm2d(8)
        self.block = nn.Sequential(SamePadded(8, 8, 5, 2, 32), nn.BatchNorm2d(8))
        self.block2 = nn.Sequential(SamePadded(8, 8, 5, 2, 16), nn.BatchNorm2d(8))
        self.end, self.bn1 = nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16)
        self.pool, self.drop, self.fc = nn.AdaptiveAvgPool2d(1), nn.Dropout(0.2), nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block2(self.block(self.act(self.bn0(self.stem(x)))))
        logits: Tensor = self.fc(self.drop(self.pool(self.act(self.bn1(self.end(x)))).flatten(1)))
        return logits


def plain(classes: int = 3) -> nn.Module:
    """A Sequential of features, pool, classifier."""
    layers = {"features": trunk(), "pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "fc": nn.Linear(16, classes)}
    return nn.Sequential(OrderedDict(layers))


class Whole(nn.Module):
    """Its last map leaves a module that is no Sequential; a function averages."""

    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = trunk()

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.inner(x) * 1.5
            return out

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.body, self.fc = Whole.Body(), nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.body(x).mean((2, 3)))
        return logits


class TwoLayers(nn.Module):
    """As MobileNet v3: two linear layers after the average."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.features, self.pool = trunk(), nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, classes))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.pool(self.features(x)).flatten(1))
        return logits


class Patches(nn.Module):
    """As ConvNeXt: convolutions as wide as their stride."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.GELU(), nn.Conv2d(8, 16, 2, 2), nn.GELU())
        self.fc = nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.features(x).mean((2, 3)))
        return logits


NETWORKS = {f.__name__: f for f in (Mobile, Dense, Lite, plain, Whole, TwoLayers, Patches)}
ENDING = ("Mobile", "Dense", "Lite", "plain", "Whole", "Patches")


def make(name: str) -> nn.Module:
    """A network whose batch norms have moved from where they begin, in eval mode."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NETWORKS[name]()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.running_mean, -0.5, 0.5)
                nn.init.uniform_(module.running_var, 0.5, 2)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)
        return network.eval()
