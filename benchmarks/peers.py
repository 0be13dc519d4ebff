"""The peers' Grad-CAM as their own documentation calls it, on ResNet's layer4; those that are not installed are left out."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from torch import Tensor, nn

Contestant = Callable[[], Any]


def torchcam_grad_cam(model: nn.Module, x: Tensor, classes: list[int]) -> Any:
    """torchcam: forward, then the extractor's backward; maps min–max scaled at the native grid."""
    from torchcam.methods import GradCAM

    with GradCAM(model, target_layer="layer4") as extractor:
        return extractor(classes, model(x))


def captum_grad_cam(model: nn.Module, x: Tensor, classes: list[int]) -> Any:
    """captum: raw maps at the native grid."""
    from captum.attr import LayerGradCam

    return LayerGradCam(model, model.get_submodule("layer4")).attribute(x, target=classes)


def pytorch_grad_cam(model: nn.Module, x: Tensor, classes: list[int], method: str = "GradCAM") -> Any:
    """pytorch-grad-cam: maps clamped, scaled and up-sampled to the image."""
    import pytorch_grad_cam as peer
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with getattr(peer, method)(model=model, target_layers=[model.get_submodule("layer4")]) as extractor:
        return extractor(input_tensor=x, targets=[ClassifierOutputTarget(c) for c in classes])


PEERS: dict[str, tuple[str, Callable[[nn.Module, Tensor, list[int]], Any]]] = {
    "torchcam GradCAM": ("torchcam", torchcam_grad_cam),
    "captum LayerGradCam": ("captum", captum_grad_cam),
    "pytorch-grad-cam GradCAM": ("pytorch_grad_cam", pytorch_grad_cam),
}


def installed() -> dict[str, Callable[[nn.Module, Tensor, list[int]], Any]]:
    """The peers that can be imported here."""
    return {name: function for name, (module, function) in PEERS.items() if find_spec(module)}
