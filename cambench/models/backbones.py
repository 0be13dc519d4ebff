"""Architectures by name: torchvision's and timm's classifiers, three small networks of our own, and anyone's.

Anyone's network is a `python:` function or an `hf:` folder of transformers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cambench.lookup import canonical, nearest
from cambench.vocabulary import UsageError

if TYPE_CHECKING:
    from torch import nn

PYTHON = "python:"
TORCHVISION = "torchvision:"
TIMM = "timm:"
HF = "hf:"
DECLARING = (PYTHON, TIMM, HF)
"""How the names of networks begin that say themselves how they want their images."""
BRINGING = (PYTHON, HF)
"""How the names of networks begin that bring their own weights."""


@dataclass(frozen=True)
class Arch:
    """One architecture of our own: `function(num_classes=C)` makes it."""

    function: Callable[..., nn.Module]
    summary: str
    source: str


def small_resnet(blocks: int, **options: Any) -> nn.Module:
    """The ResNet for small images with so many blocks a stage."""
    from cambench.models.cifar_resnet import CifarResNet

    return CifarResNet(blocks, **options)


ARCHS: dict[str, Arch] = {
    "resnet8": Arch(
        partial(small_resnet, 1),
        "8 layers, 78 thousand weights, last stage at a quarter of the image's size; for laptops and tests",
        "He et al. 2016 §4.2 with n = 1, option-B shortcuts",
    ),
    "resnet20": Arch(
        partial(small_resnet, 3),
        "20 layers, 272 thousand weights, last stage at a quarter of the image's size; for small images",
        "He et al. 2016 §4.2 with n = 3, option-B shortcuts",
    ),
    "resnet18-small": Arch(
        partial(small_resnet, 2, widths=(16, 32, 64, 128)),
        "18 layers, 701 thousand weights, last stage at an eighth of the image's size; ResNet-18 for small images and CPUs",
        "He et al. 2016: ResNet-18's blocks and stages, a quarter of its filters, and §4.2's 3×3 stem without max-pool",
    ),
}
"""The architectures of our own; torchvision's classifiers have their own names."""


@cache
def torchvision_names() -> tuple[str, ...]:
    """The names of torchvision's classifiers, as its `list_models` gives them."""
    import torchvision

    return tuple(torchvision.models.list_models(module=torchvision.models))


def torchvision_weights(name: str) -> Any:
    """torchvision's ImageNet V1 weights of a network: their address and their transforms. None where it has none."""
    import torchvision

    if name not in torchvision_names():
        return None
    return getattr(torchvision.models.get_model_weights(name), "IMAGENET1K_V1", None)


def arch_names() -> list[str]:
    """Every architecture that `--arch` knows by name."""
    return [*ARCHS, *torchvision_names()]


def resolve(arch: str) -> str:
    """The one spelling of an architecture: `torchvision:ResNet50` is `resnet50`, `vgg16-bn` is `vgg16_bn`.

    Raises: UsageError naming the nearest architectures and the full list.
    """
    if arch.startswith(BRINGING):
        return arch
    if arch.startswith(TIMM):
        from cambench.models import timm_networks

        return timm_networks.resolve(arch)
    plain = arch.removeprefix(TORCHVISION)
    own = () if arch.startswith(TORCHVISION) else tuple(ARCHS)

    def spelt(names: tuple[str, ...]) -> str | None:
        return next((name for name in names if canonical(name) == canonical(plain)), None)

    name = spelt(own) or spelt(torchvision_names())  # ours first: torchvision takes seconds to import
    if name is None:
        raise UsageError(nearest(plain, [*own, *torchvision_names()], "arch"))
    return name


def settled(arch: str) -> str:
    """The same network in one spelling, found from any working directory: the folder of `hf:` by its full path.

    `torchvision:ResNet50` is `torchvision:resnet50`, as a given network is written. Raises: as `resolve`.
    """
    if arch.startswith(HF):
        return f"{HF}{Path(arch.removeprefix(HF)).expanduser().resolve()}"
    return (TORCHVISION if arch.startswith(TORCHVISION) else "") + resolve(arch)


def called(arch: str) -> str:
    """How a network is recorded, wherever it lies: `hf:PATH` by its folder's name."""
    return f"{HF}{Path(settled(arch)).name}" if arch.startswith(HF) else arch


def class_names(arch: str) -> tuple[str, ...]:
    """The names of the classes that a network's pretrained weights know, in the order of its outputs; else nothing."""
    from cambench.models import hf_networks, timm_networks

    name = resolve(arch)
    if name.startswith(PYTHON):
        return ()
    if name.startswith(TIMM):
        return timm_networks.class_names(name)
    if name.startswith(HF):
        return hf_networks.class_names(name)
    weights = torchvision_weights(name)
    return () if weights is None else tuple(weights.meta["categories"])


def create(arch: str, num_classes: int | None = None) -> nn.Module:
    """The network `arch` with its own initialisation; `num_classes` None keeps the architecture's own number.

    Departure from torchvision's defaults: no auxiliary heads, and GoogLeNet and Inception v3 always re-scale their input
    from ImageNet's normalisation to the (x − ½)/½ that torchvision's weights for them expect.
    Raises: UsageError for an unknown name, or a `python:` function or `hf:` folder that does not give a network.
    """
    from cambench.models import hf_networks, timm_networks
    from cambench.models.python import call_function

    name = resolve(arch)
    if name.startswith(PYTHON):
        return call_function(name.removeprefix(PYTHON), num_classes)
    if name.startswith(TIMM):
        return timm_networks.create(name, num_classes)
    if name.startswith(HF):
        return hf_networks.create(name, num_classes)
    arguments = {} if num_classes is None else {"num_classes": num_classes}
    if name in ARCHS:
        return ARCHS[name].function(**arguments)
    import torchvision

    if name in ("googlenet", "inception_v3"):
        arguments |= {"aux_logits": False, "transform_input": True, "init_weights": True}
    network: nn.Module = torchvision.models.get_model(name, weights=None, **arguments)
    return network
