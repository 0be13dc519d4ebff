"""VGG16-GAP and InceptionV3-GAP: the WSOL benchmark's trunks, cut short, widened, closed by an average and one layer.

What is added bears one name, `features.added` (VGG) and `Mixed_7c` (Inception), so that it can learn at a rate of its own.
Source: WSOL benchmark (Choe et al. 2020), its code; CALM §5.1, supplement C (CALM protocol §1.5).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d
from torch.nn.init import kaiming_normal_, xavier_uniform_, zeros_
from torch.nn.modules.dropout import _DropoutNd

from cambench.models.ending import remove

if TYPE_CHECKING:
    from torchvision.models import VGG, Inception3

WIDTH, DROPOUT, EPSILON = 1024, 0.5, 1e-3
SIX = 768
"""Channels of Inception's blocks Mixed_6."""
ADDED = {"features.added": "VGG", "Mixed_7c.conv2": "Inception"}
"""What only a network after its surgery has -> its family."""

he = partial(kaiming_normal_, mode="fan_out", nonlinearity="relu")
"""He's normal initialisation over the outputs: new layers of VGG16 (CALM protocol §1.5); of all others Xavier-uniform."""


def family(network: nn.Module) -> str | None:
    """ "VGG" or "Inception" of a network after its surgery, None of any other."""
    names = {name for name, _ in network.named_modules()}
    return next((kind for name, kind in ADDED.items() if name in names), None)


def begin(module: nn.Module, family: str | None) -> None:
    """Draw the weights of new convolutions and linear layers as the family does; their biases are 0."""
    draw(module, he if family == "VGG" else xavier_uniform_)


def draw(module: nn.Module, init: Callable[[Tensor], Tensor]) -> None:
    """Draw the weights of a module's convolutions and linear layers; their biases are 0."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            init(layer.weight)
            if layer.bias is not None:
                zeros_(layer.bias)


def whole_vgg(network: nn.Module) -> VGG | None:
    """The network, where it is a VGG that was not cut."""
    from torchvision.models import VGG

    return network if isinstance(network, VGG) and isinstance(network.classifier, nn.Sequential) else None


def max_pools(network: VGG) -> list[str]:
    """The names of a VGG's max-pools among its features, from the first to the last."""
    return [name for name, m in network.features.named_children() if isinstance(m, nn.MaxPool2d)]


def last_channels(network: VGG) -> int:
    """The channels of a VGG's last convolution."""
    return [m for m in network.features if isinstance(m, nn.Conv2d)][-1].out_channels


def vgg_gap(network: nn.Module, pools: int) -> bool:
    """A VGG without its last `pools` max-pools, with a 3×3 convolution 512→1024 + ReLU, an average, one linear layer.

    14×14 at 224 px without the fifth pool, 28×28 also without the fourth. All other layers keep their numbers. A VGG with
    batch norms gets one more after the new convolution (authors' code, `use_bn`).
    """
    if (vgg := whole_vgg(network)) is None:
        return False
    remove(vgg.features, max_pools(vgg)[-pools:])
    norm = any(isinstance(m, nn.BatchNorm2d) for m in vgg.features)
    layers = {"conv": nn.Conv2d(last_channels(vgg), WIDTH, 3, padding=1), "norm": nn.BatchNorm2d(WIDTH), "relu": nn.ReLU()}
    vgg.features.add_module("added", nn.Sequential(OrderedDict((k, v) for k, v in layers.items() if norm or k != "norm")))
    close(vgg, WIDTH)
    for module in (vgg.features.get_submodule("added"), vgg.classifier):
        begin(module, "VGG")
    return True


def close(network: VGG, channels: int) -> None:
    """An average and one linear layer for the same classes in the place of a VGG's own end, in place."""
    old = network.classifier[-1]
    assert isinstance(old, nn.Linear)
    network.avgpool, network.classifier = nn.AdaptiveAvgPool2d(1), nn.Linear(channels, old.out_features)  # type: ignore[assignment]


class Unstrided(nn.Module):
    """Mixed_6a with stride 1 and padding 1 in all its branches, its modules and their names kept; `before` runs first.

    (N,288,h,w) -> (N,768,h,w), or half of h and w where `before` pools.
    """

    def __init__(self, block: nn.Module, pooled: bool) -> None:
        super().__init__()
        self.before = nn.Sequential(*([nn.MaxPool2d(3, 2, ceil_mode=True)] if pooled else []))
        for name, module in block.named_children():
            self.add_module(name, module)
        for name in ("branch3x3", "branch3x3dbl_3"):
            convolution = self.get_submodule(f"{name}.conv")
            assert isinstance(convolution, nn.Conv2d)
            convolution.stride, convolution.padding = (1, 1), (1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The three branches of torchvision's block side by side."""
        run = dict(self.named_children())
        x = run["before"](x)
        double = run["branch3x3dbl_3"](run["branch3x3dbl_2"](run["branch3x3dbl_1"](x)))
        return torch.cat([run["branch3x3"](x), double, max_pool2d(x, 3, 1, 1)], 1)


def inception_gap(network: nn.Module, large: bool, norm: bool = False) -> bool:
    """Inception v3 up to Mixed_6e with a map of 14×14 (large: 28×28) at 224 px, two 3×3 convolutions, an average, one layer.

    Each new convolution comes after a dropout of 0.5, and one more comes after both; with `norm` each has a batch norm and
    there is no dropout.
    """
    if (inception := inception_trunk(network, large)) is None:
        return False
    inception.Mixed_7c = added_to_inception(norm)
    inception.fc = nn.Linear(WIDTH, inception.fc.out_features)
    for module in (inception.Mixed_7c, inception.fc):
        begin(module, "Inception")
    return True


def inception_6e(network: nn.Module, large: bool) -> bool:
    """As `inception_gap` without what it adds: an average of Mixed_6e and one linear layer."""
    if (inception := inception_trunk(network, large)) is None:
        return False
    inception.fc = nn.Linear(SIX, inception.fc.out_features)
    begin(inception.fc, "Inception")
    return True


def inception_trunk(network: nn.Module, large: bool) -> Inception3 | None:
    """Cut an Inception v3 behind Mixed_6e, in place; None where it is none, or cut. Its last layer does not fit yet.

    The stem pads; both its pools and the one before Mixed_6a (unless large) are 3×3, stride 2, ceil. The input is taken as
    it is.
    """
    from torchvision.models import Inception3

    if (
        not isinstance(network, Inception3)
        or isinstance(network.Mixed_6a, Unstrided)
        or not isinstance(network.fc, nn.Linear)
    ):
        return None
    network.transform_input = False
    network.Conv2d_1a_3x3.conv.padding = (1, 1)
    network.maxpool1, network.maxpool2 = (nn.MaxPool2d(3, 2, padding=1, ceil_mode=True) for _ in range(2))
    network.Mixed_6a = Unstrided(network.Mixed_6a, pooled=not large)
    remove(network, ("Mixed_7a", "Mixed_7b", "Mixed_7c", "dropout"))
    return network


def added_to_inception(norm: bool) -> nn.Sequential:
    """(N,768,h,w) -> (N,1024,h,w): dropout, convolution, ReLU, twice, and a last dropout; or with batch norms instead."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i, channels in ((1, SIX), (2, WIDTH)):
        if not norm:
            layers[f"dropout{i}"] = nn.Dropout(DROPOUT)
        layers[f"conv{i}"] = nn.Conv2d(channels, WIDTH, 3, padding=1)
        if norm:
            layers[f"norm{i}"] = nn.BatchNorm2d(WIDTH, eps=EPSILON)
        layers[f"relu{i}"] = nn.ReLU()
    if not norm:
        layers["dropout3"] = nn.Dropout(DROPOUT)
    return nn.Sequential(layers)


def no_dropout(network: nn.Module) -> bool:
    """Every dropout is taken out."""
    names = [name for name, module in network.named_modules() if isinstance(module, _DropoutNd)]
    remove(network, names)
    return bool(names)
