"""The fast copy: the same numbers as the network it was made from, the same names, and the network itself untouched."""

from __future__ import annotations

import copy
import logging
from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from cambench.explainers.batch import explain_batch
from cambench.models import build, for_inference, keep_heap
from cambench.models.inference import convolutions_up_to, trace

NETWORKS = {
    "resnet18": ("layer4", 20),
    "resnet50": ("layer4", 53),
    "mobilenet_v2": ("features", 52),
    "efficientnet_b0": ("features", 49),
    "densenet121": ("features", 59),  # every norm that follows a convolution; the rest follow a concatenation
    "vgg11_bn": ("features", 8),
    "resnet8": ("layer3", 9),
}


def trained(model: nn.Module) -> nn.Module:
    """The model with batch norms that are not the identity, as after training."""
    generator = torch.Generator().manual_seed(0)
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            for tensor, low in ((m.weight, 0.5), (m.bias, -0.5), (m.running_mean, -0.5), (m.running_var, 0.5)):
                assert tensor is not None
                tensor.data.uniform_(low, low + 1, generator=generator)
    return model.eval()


def run(model: nn.Module, layer: str, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and the activation of the layer."""
    seen: list[Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda _m, _i, out: seen.append(out.clone()))
    with torch.inference_mode():
        logits = model(images)
    handle.remove()
    return logits, seen[-1]


def close(got: Tensor, expected: Tensor, tolerance: float) -> bool:
    return bool((got - expected).norm() <= tolerance * expected.norm())


@pytest.mark.parametrize("arch", NETWORKS)
def test_folded_equals_unfolded(arch: str) -> None:
    layer, pairs = NETWORKS[arch]
    model, images = trained(build(arch, 5)), torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    if arch == "vgg11_bn":
        model.classifier = nn.Linear(512 * 7 * 7, 5)  # its own takes seconds in float64
    norms = sum(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    names = [name for name, _ in model.named_modules()]
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-4)):
        plain = copy.deepcopy(model).to(dtype)
        fast = for_inference(plain, layer=layer)
        assert norms - sum(isinstance(m, nn.BatchNorm2d) for m in fast.modules()) == pairs
        assert [name for name, _ in fast.named_modules()] == names
        for got, expected in zip(run(fast, layer, images.to(dtype)), run(plain, layer, images.to(dtype)), strict=True):
            assert got.dtype == dtype
            assert close(got, expected, tolerance)


def test_the_original_is_left_as_it_is() -> None:
    model = build("resnet8", 5).train()
    before = copy.deepcopy(model.state_dict())
    fast = for_inference(model, layer="layer3", precision="bf16")
    assert model.training and all(p.requires_grad for p in model.parameters())
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert not fast.training and not any(p.requires_grad for p in fast.parameters())
    assert model.conv1.weight.is_contiguous() and fast.conv1.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("layer", "kept"),
    [
        ("layer3.0.conv2", "layer3.0.bn2"),
        ("layer3.0.bn2", "layer3.0.bn2"),
        ("conv1", "bn1"),
        ("layer3", None),
        ("layer2.0.downsample", None),
    ],
)
def test_what_leaves_the_layer_is_the_same_wherever_it_ends(layer: str, kept: str | None) -> None:
    model, images = trained(build("resnet8", 5)).double(), torch.randn(2, 3, 16, 16).double()
    fast = for_inference(model, layer=layer)
    left = [name for name, m in fast.named_modules() if isinstance(m, nn.BatchNorm2d)]
    assert left == ([kept] if kept else [])
    for got, expected in zip(run(fast, layer, images), run(model, layer, images), strict=True):
        assert close(got, expected, 1e-10)


class Shared(nn.Module):
    """One convolution read twice and one used twice: neither may be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.bn_a, self.bn_b = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        return self.bn_b(self.b(self.b(self.bn_a(y) + y)))


class DataDependent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn(self.conv(x))
        return y if y.sum() > 0 else -y


class Squared(nn.Conv2d):
    """A convolution whose weight is not what it multiplies with."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, self.weight**2, self.bias)


class Padded(nn.Conv2d):
    """A convolution that only pads in its own way, as "same" padding is written."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(nn.functional.pad(x, [0, 1, 0, 1]))


@pytest.mark.parametrize(
    ("model", "left"),
    [
        (Shared(), 2),
        (nn.Sequential(Squared(3, 4, 1), nn.BatchNorm2d(4)), 1),
        (nn.Sequential(Padded(3, 4, 2), nn.BatchNorm2d(4)), 0),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)), 1),
        (nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4, affine=False)), 0),
        (nn.Sequential(nn.Conv2d(3, 6, 3, groups=3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(6)), 0),
    ],
)
def test_only_what_is_exact_is_folded(model: nn.Module, left: int) -> None:
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d) and m.running_mean is not None:
            m.running_mean.uniform_(-1, 1)
    model, images = model.double().eval(), torch.randn(2, 3, 8, 8).double()
    fast = for_inference(model, layer=None)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in fast.modules()) == left
    assert close(fast(images), model(images), 1e-10)


def test_a_network_that_returns_an_object_with_logits_is_folded() -> None:
    class Held:
        def __init__(self, logits: Tensor) -> None:
            self.logits = logits

    class Wrapped(nn.Sequential):
        def forward(self, x: Tensor) -> Held:  # type: ignore[override]
            return Held(super().forward(x))

    fast = for_inference(Wrapped(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()), layer=None)
    assert isinstance(fast[1], nn.Identity)


def test_a_network_that_cannot_be_traced_stays_whole_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    model, images = DataDependent().eval(), torch.randn(2, 3, 8, 8)
    with caplog.at_level(logging.WARNING, "cambench"):
        fast = for_inference(model, layer="conv", precision="bf16")
    assert "DataDependent cannot be traced" in caplog.text
    assert close(fast(images), model(images), 1e-6)


def test_bf16_weights_up_to_the_layer_are_what_autocast_computes_with() -> None:
    model, images = trained(build("resnet18", 5)), torch.randn(2, 3, 64, 64)
    unfolded, fast = (for_inference(model, layer="layer3", precision="bf16", fold=f, channels_last=f) for f in (False, True))
    assert {m.weight.dtype for n, m in fast.named_modules() if isinstance(m, nn.Conv2d) and "layer4" not in n} == {
        torch.bfloat16
    }
    assert {p.dtype for n, p in fast.named_parameters() if n.startswith(("layer4", "fc"))} == {torch.float32}
    with torch.autocast("cpu", torch.bfloat16):
        expected, got, folded = (run(m, "layer3", images) for m in (model, unfolded, fast))
    assert torch.equal(got[1], expected[1])
    assert close(folded[1].float(), run(model, "layer3", images)[1], 0.02)


def test_convolutions_after_the_layer_stay_float32() -> None:
    model = build("squeezenet1_1", 5)
    graph = trace(model)
    assert graph is not None
    names = convolutions_up_to(model, graph, "features")
    assert names[0] == "features.0" and names[-1].startswith("features.12") and "classifier.1" not in names


def test_a_layer_that_runs_twice_ends_at_its_first_time() -> None:
    relu = nn.ReLU()
    model = nn.Sequential(nn.Conv2d(3, 3, 1), relu, nn.Conv2d(3, 3, 1), relu)
    graph = trace(model)
    assert graph is not None
    assert convolutions_up_to(model, graph, "1") == ["0"]
    assert convolutions_up_to(model, graph, None) == ["0", "2"]


def test_keep_heap_answers_and_torch_still_works() -> None:
    assert keep_heap() in (True, False)
    assert torch.ones(1 << 20).sum().item() == 1 << 20


@pytest.mark.parametrize(("layer", "kept"), [("features.40", ["features.41"]), ("features.42", [])])
def test_the_raw_convolution_of_vgg16_bn_stays_what_it_was(layer: str, kept: list[str]) -> None:
    """The explained layer of the weighted contrast is the last convolution before its batch norm and in-place ReLU."""
    features = make_layers(cfgs["D"], batch_norm=True)
    rest = {"pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "fc": nn.Linear(512, 5)}
    model = trained(nn.Sequential(OrderedDict(features=features, **rest)))
    assert isinstance(model.get_submodule("features.40"), nn.Conv2d)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    fast = for_inference(model, layer=layer)
    left = [name for name, m in fast.named_modules() if isinstance(m, nn.BatchNorm2d)]
    assert left == kept, "every other batch norm is folded"
    for got, expected in zip(run(fast, layer, images), run(model, layer, images), strict=True):
        assert close(got, expected, 1e-4)
    maps = [explain_batch(m, images, explainer="hires-cam", target="weighted", layer=layer).maps for m in (fast, model)]
    assert close(maps[0], maps[1], 1e-3) and bool((run(model, "features.40", images)[1] < 0).any())
