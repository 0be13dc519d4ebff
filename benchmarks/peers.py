"""The peers' CAMs as their own documentation calls them; those that are not installed are left out."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

Contestant = Callable[[], Any]


def torchcam(model: nn.Module, x: Tensor, classes: list[int], method: str = "GradCAM", layer: str = "layer4") -> Any:
    """torchcam: forward, then what the extractor does; maps min–max scaled at the native grid."""
    from torchcam import methods

    with getattr(methods, method)(model, target_layer=layer) as extractor:
        return extractor(classes, model(x))


def captum_grad_cam(model: nn.Module, x: Tensor, classes: list[int]) -> Any:
    """captum: raw maps at the native grid."""
    from captum.attr import LayerGradCam

    return LayerGradCam(model, model.get_submodule("layer4")).attribute(x, target=classes)


def pytorch_grad_cam(model: nn.Module, x: Tensor, classes: list[int], method: str = "GradCAM", layer: str = "layer4") -> Any:
    """pytorch-grad-cam: maps clamped, scaled and up-sampled to the image; of `FinerCAM` an image at a time, as it wants."""
    import pytorch_grad_cam as peer
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with getattr(peer, method)(model=model, target_layers=[model.get_submodule(layer)]) as extractor:
        if method == "FinerCAM":
            return [extractor(one, target_idx=c) for one, c in zip(torch.split(x, 1), classes, strict=True)]
        return extractor(input_tensor=x, targets=[ClassifierOutputTarget(c) for c in classes])


PEERS: dict[str, tuple[str, Callable[[nn.Module, Tensor, list[int]], Any]]] = {
    "torchcam GradCAM": ("torchcam", torchcam),
    "captum LayerGradCam": ("captum", captum_grad_cam),
    "pytorch-grad-cam GradCAM": ("pytorch_grad_cam", pytorch_grad_cam),
}


def installed() -> dict[str, Callable[[nn.Module, Tensor, list[int]], Any]]:
    """The peers that can be imported here."""
    return {name: function for name, (module, function) in PEERS.items() if find_spec(module)}
