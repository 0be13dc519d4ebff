"""Explainers of other packages: every method runs, leaves the network alone, and gives what the peer itself gives."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from explainers.networks import state
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from cambench import maps, options
from cambench.explainers import INDEX, find_explainer, known_explainer
from cambench.explainers.batch import explain, explain_batch
from cambench.vocabulary import UsageError

CLASSES = torch.tensor([3, 0])
EVERY = [name for name, entry in INDEX.items() if entry.package]


def here(name: str) -> None:
    """Skip where the package of an explainer is not installed."""
    package = find_explainer(name).package
    if find_spec(package) is None:
        pytest.skip(f"the package {package} is not installed")


def tiny() -> tuple[nn.Module, Tensor]:
    """A network of few channels, each ReLU used once, and two images."""
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU())
    stage = nn.Sequential(nn.Conv2d(4, 5, 3, stride=2, padding=1), nn.BatchNorm2d(5), nn.ReLU())
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net = nn.Sequential(OrderedDict(stem=stem, stage=stage, pool=pool, fc=nn.Linear(5, 4)))
    return net.eval(), torch.randn(2, 3, 24, 24)


@pytest.mark.parametrize("name", EVERY)
def test_every_method_runs_and_leaves_the_network_alone(name: str) -> None:
    here(name)
    net, x = tiny()
    net.train()
    before, pixels, random = state(net), x.clone(), torch.get_rng_state()
    result = explain_batch(net, x, explainer=name, classes=CLASSES, layer="stage")
    assert result.maps.shape in ((2, 6, 6), (2, 24, 24)) and result.maps.dtype == torch.float32
    assert not result.maps.requires_grad and bool(result.maps.isfinite().all())
    assert state(net) == before and torch.equal(x, pixels) and torch.equal(random, torch.get_rng_state())
    assert torch.equal(explain_batch(net, x, explainer=name, classes=CLASSES, layer="stage").maps, result.maps)


def relu(values: Tensor) -> Tensor:
    return values.clamp(min=0)


def scaled(values: Tensor) -> Tensor:
    return maps.apply(values, ["relu", "min-max-library", "resize", "min-max-library"], (24, 24))


def same(values: Tensor) -> Tensor:
    return values


@pytest.mark.parametrize(
    ("peer", "ours", "done"),
    [
        ("torchcam:grad-cam", "grad-cam", relu),
        ("torchcam:cam", "cam", same),
        ("captum:grad-cam", "grad-cam", same),
        ("captum:hires-cam", "hires-cam", same),
        ("captum:saliency", "gradient", same),
        ("captum:input-x-gradient", "input-x-gradient", same),
        ("grad-cam:grad-cam", "grad-cam", scaled),
        ("grad-cam:hires-cam", "hires-cam", scaled),
    ],
)
def test_they_are_ours_after_what_the_peer_does(peer: str, ours: str, done: Callable[[Tensor], Tensor]) -> None:
    here(peer)
    net, x = tiny()
    of_peer = explain(net, x, peer, classes=CLASSES, layer="stage")
    torch.testing.assert_close(of_peer, done(explain(net, x, ours, classes=CLASSES, layer="stage")), rtol=1e-3, atol=1e-5)


def test_the_numbers_are_the_peers_own() -> None:
    methods = pytest.importorskip("torchcam.methods")
    net, x = tiny()
    with methods.GradCAMpp(net, "stage") as extractor:
        (theirs,) = extractor(CLASSES.tolist(), net(x), normalized=False)
    assert torch.equal(explain(net, x, "torchcam:GradCAMpp", classes=CLASSES, layer="stage"), theirs.detach())


def test_tokens_are_maps_for_those_that_can_take_them() -> None:
    torch.manual_seed(0)
    net, x = VisionTransformer(8, 4, 2, 2, 8, 16, num_classes=4).eval(), torch.randn(2, 3, 8, 8)
    nn.init.normal_(net.heads.head.weight)
    here("torchcam:grad-cam")
    ours = explain(net, x, "grad-cam", classes=CLASSES)
    torch.testing.assert_close(explain(net, x, "torchcam:grad-cam", classes=CLASSES), relu(ours), rtol=1e-3, atol=1e-6)
    here("captum:grad-cam")
    with pytest.raises(UsageError, match=r"captum: LayerGradCam: expected a layer with an output \(N,K,h,w\), got tokens"):
        explain(net, x, "captum:grad-cam", classes=CLASSES)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("torchcam:grad-cam", "torchcam:grad-cam"),
        ("TorchCAM:GradCAMpp", "torchcam:grad-cam++"),
        ("captum:IntegratedGradients", "captum:integrated-gradients"),
        ("captum:LayerGradCam", "captum:grad-cam"),
        ("grad-cam:GradCAMPlusPlus", "grad-cam:grad-cam++"),
        ("grad_cam:KPCA_CAM", "grad-cam:kpca-cam"),
        ("grad-cam:head=false", "grad-cam:head=false"),
        ("grad-cam:", "grad-cam"),
    ],
)
def test_names(text: str, name: str) -> None:
    entry = find_explainer(text)
    assert entry.name == name and find_explainer(name) == entry and known_explainer(name) == entry
    assert options.sentence(entry) is None or name == "grad-cam:head=false"


def test_what_cannot_be_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = tiny()
    for name in ("torchcam:rise", "grad-cam:cam", "captum"):
        with pytest.raises(UsageError, match=f"unknown explainer '{name}'"):
            find_explainer(name)
    here("torchcam:grad-cam")
    with pytest.raises(UsageError, match="torchcam:score-cam: expected target logit and a network in eval mode, got target"):
        explain(net, x, "torchcam:score-cam", "weighted", layer="stage")

    def missing(module: str) -> Any:
        raise ModuleNotFoundError("gone", name=module)

    net.extra = nn.Linear(4, 4)  # a second linear layer: a head that CAM does not know
    with pytest.raises(UsageError, match=r"torchcam: CAM failed: ValueError: This CAM method does not support"):
        explain(net, x, "torchcam:cam", layer="stage")
    monkeypatch.setattr("cambench.extras.import_module", missing)
    with pytest.raises(
        UsageError, match=r"torchcam: expected the package torchcam, found none; pip install 'cambench\[peers\]'"
    ):
        explain(net, x, "torchcam:grad-cam", layer="stage")
