"""Grad-CAM as captum and torchcam compute it, after their own normalisation."""

from __future__ import annotations

import pytest
import torch
import torchvision
from explainers.networks import build, images
from torch import Tensor, nn

from cambench import maps
from cambench.explainers.batch import explain, explain_batch

CLASSES = torch.tensor([4, 0, 2])


def network(kind: str) -> tuple[nn.Module, str, Tensor]:
    """A tiny network or ResNet-18 with random weights, in eval mode, its layer and images."""
    torch.manual_seed(0)
    if kind == "resnet18":
        net = torchvision.models.resnet18(weights=None, num_classes=5)
        return net.eval(), "layer4", torch.randn(3, 3, 64, 64)
    return build(kind, torch.float32).eval(), "stage", images(dtype=torch.float32)


@pytest.mark.parametrize("kind", ["gap-linear", "two-layers", "resnet18"])
@pytest.mark.parametrize("closed", [True, False])
def test_captum(kind: str, closed: bool) -> None:
    attr = pytest.importorskip("captum.attr")
    net, layer, x = network(kind)
    theirs = attr.LayerGradCam(net, net.get_submodule(layer)).attribute(x, target=CLASSES).detach()[:, 0]
    if closed:
        ours = explain(net, x, "grad-cam", "logit", CLASSES, layer)
    else:
        ours = explain_batch(net, x, explainer="grad-cam", classes=CLASSES, layer=layer).maps
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["gap-linear", "two-layers", "resnet18"])
def test_torchcam(kind: str) -> None:
    methods = pytest.importorskip("torchcam.methods")
    net, layer, x = network(kind)
    ours = explain(net, x, "grad-cam", "logit", CLASSES, layer)
    with methods.GradCAM(net, target_layer=layer) as extractor:
        theirs = extractor(CLASSES.tolist(), net(x.clone().requires_grad_()))[0].detach()
    torch.testing.assert_close(maps.apply(ours, ["relu", "min-max"], (6, 6)), theirs, rtol=1e-3, atol=1e-4)


def test_torchcams_cam_is_ours() -> None:
    methods = pytest.importorskip("torchcam.methods")
    net, layer, x = network("resnet18")
    ours = explain(net, x, "cam", "logit", CLASSES, layer)
    with methods.CAM(net, target_layer=layer, fc_layer="fc") as extractor:
        net(x)
        theirs = extractor(CLASSES.tolist())[0].detach()
    torch.testing.assert_close(maps.apply(ours, ["min-max"], (2, 2)), theirs, rtol=1e-3, atol=1e-4)


def steep(dtype: torch.dtype = torch.float32) -> nn.Module:
    """A network whose head is not GAP + linear; its layer `stem` ends in a ReLU, its gradients dwarf the peers' ε."""
    net = build("two-layers", dtype).eval()
    with torch.no_grad():
        net.stage.weight *= 4
        net.fc.weight *= 100
    return net


PYTORCH_GRAD_CAM = {
    "GradCAM": "grad-cam",
    "GradCAMPlusPlus": "grad-cam++",
    "HiResCAM": "hires-cam",
    "XGradCAM": "xgrad-cam",
    "LayerCAM": "layer-cam",
    "EigenCAM": "eigen-cam:centred=true",
    "EigenGradCAM": "eigen-grad-cam",
    "AblationCAM": "ablation-cam",
    "ShapleyCAM": "shapley-cam",
}
LIBRARY = ["relu", "min-max-library", "resize", "min-max-library"]


def test_finer_released_is_pytorch_grad_cams() -> None:
    peer = pytest.importorskip("pytorch_grad_cam")
    net, x = steep(), images(dtype=torch.float32)
    best = net(x).argmax(1)
    with peer.FinerCAM(net, [net.stem]) as extractor:
        made = torch.from_numpy(extractor(x)).float()
    ours = maps.apply(explain(net, x, "grad-cam", "finer:released", best, "stem"), LIBRARY, (12, 12))
    torch.testing.assert_close(ours, made, rtol=0, atol=2e-3)


@pytest.mark.parametrize("theirs", PYTORCH_GRAD_CAM)
def test_pytorch_grad_cam(theirs: str) -> None:
    peer = pytest.importorskip("pytorch_grad_cam")
    targets = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    net, x = steep(), images(dtype=torch.float32)
    ours = explain(net, x, PYTORCH_GRAD_CAM[theirs], "logit", CLASSES, "stem")
    with getattr(peer, theirs)(net, [net.stem]) as extractor:
        made = torch.from_numpy(extractor(x, [targets.ClassifierOutputTarget(int(t)) for t in CLASSES])).float()
    signs = [1, -1] if theirs.startswith("Eigen") else [1]  # a singular vector's sign is the linear algebra's there
    for map_, other in zip(ours, made, strict=True):
        candidates = [maps.apply(sign * map_[None], LIBRARY, (12, 12))[0] for sign in signs]
        assert min(float((one - other).abs().max()) for one in candidates) < 2e-3


@pytest.mark.parametrize(("theirs", "name", "target"), [
    ("LayerCAM", "layer-cam", "logit"), ("XGradCAM", "xgrad-cam", "logit"), ("FinerCAM", "grad-cam", "finer"),
])  # fmt: skip
def test_torchcams_others(theirs: str, name: str, target: str) -> None:
    methods = pytest.importorskip("torchcam.methods")
    net, x = steep(), images(dtype=torch.float32)
    ours = explain(net, x, name, target, CLASSES, "stem")
    with getattr(methods, theirs)(net, target_layer="stem") as extractor:
        made = extractor(CLASSES.tolist(), net(x.clone().requires_grad_()))[0].detach()
    torch.testing.assert_close(maps.apply(ours, ["relu", "min-max"], (6, 6)), made, rtol=1e-3, atol=1e-4)
