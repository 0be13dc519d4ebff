"""cMWP against dense matrices in float64, its conservation laws, and networks it has no rule for."""

from __future__ import annotations

import pytest
import torch
import torchvision
from explainers.networks import state
from reference import cmwp as twin
from torch import Tensor, nn
from torch.nn import functional

from cambench.explainers.batch import explain, explain_batch
from cambench.explainers.contrast import cmwp, own_layer, seed, walk
from cambench.explainers.probe import Probe
from cambench.models import for_inference
from cambench.models.cifar_resnet import CifarResNet
from cambench.vocabulary import UsageError


class Plain(nn.Module):
    """A tiny VGG: two max-pools, an average pool that leaves 2×2 cells, two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2))
        self.features = nn.Sequential(nn.Conv2d(5, 6, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2))
        self.avgpool = nn.AdaptiveAvgPool2d(2)
        self.classifier = nn.Sequential(nn.Linear(24, 9), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(9, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(self.stem(x))), 1))


class Functional(CifarResNet):
    """The same network in functions and methods, with in-place sums."""

    def forward(self, x: Tensor) -> Tensor:
        for block in (self.layer1[0], self.layer2[0], self.layer3[0]):
            x = functional.relu(self.bn1(self.conv1(x))) if block is self.layer1[0] else x
            out = block.bn2(block.conv2(block.bn1(block.conv1(x)).relu()))
            out += x if block.downsample is None else block.downsample(x)
            x = torch.relu(out)
        return self.fc(functional.dropout(x.mean([2, 3]), 0.5, self.training))


def settled(net: nn.Module, dtype: torch.dtype = torch.float64) -> nn.Module:
    """Random running statistics, gains of both signs; float64, eval mode."""
    torch.manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias, 0.3, 0.3)
    return net.to(dtype).eval()


def resnet(kind: type[CifarResNet] = CifarResNet) -> CifarResNet:
    """A ResNet-8 of 5 classes."""
    torch.manual_seed(0)
    return settled(kind(1, 5))


def images(n: int = 2, height: int = 12, width: int = 12) -> Tensor:
    """Random images."""
    return torch.randn(n, 3, height, width, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def activation(net: nn.Module, layer: str, x: Tensor) -> Tensor:
    """What leaves a layer."""
    with torch.no_grad(), Probe(net, layer) as probe:
        net(x)
        return probe.activation.detach()


@pytest.mark.parametrize("name", ["cmwp", "excitation-backprop"])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (12, 12), (8, 14)])
def test_a_residual_network_matches_its_dense_twin(height: int, width: int, name: str) -> None:
    net, x, classes = resnet(), images(2, height, width), torch.tensor([3, 0])
    got = explain(net, x, name, classes=classes, size=8)
    for image, t, map_ in zip(activation(net, "layer2", x), classes.tolist(), got, strict=True):
        expected = twin.residual(net.layer3[0], net.fc, twin.array(image), (2, 2), t, name == "cmwp")
        torch.testing.assert_close(map_, torch.from_numpy(expected), rtol=1e-9, atol=1e-12)
        assert float(map_.abs().max()) > 1e-3


def test_a_network_of_several_cells_and_two_linear_layers_matches_its_dense_twin() -> None:
    torch.manual_seed(3)
    net, x, classes = settled(Plain()), images(2, 16, 16), torch.tensor([1, 2])
    assert own_layer(net) == "stem.2"
    got = explain(net, x, "cmwp", classes=classes)
    for image, t, map_ in zip(activation(net, "stem", x), classes.tolist(), got, strict=True):
        expected = twin.plain(net.features, net.classifier, twin.array(image), t)
        torch.testing.assert_close(map_, torch.from_numpy(expected), rtol=1e-9, atol=1e-12)
        assert float(map_.abs().max()) > 1e-3


def test_relevance_is_conserved_and_the_contrast_sums_to_zero() -> None:
    net, x, classes = resnet(), images(), torch.tensor([4, 1])
    walked = walk(net, "layer2", 8, x)
    with torch.no_grad():
        walked(x)
        q = seed(walked, classes)
        mass = walked.down(q, walked.top, walked.explained).sum((1, 2, 3))
        plus = walked.down(q, walked.top, walked.contrast)
        minus = walked.down(q, walked.top, walked.contrast, opposite=True)
        maps = cmwp(walked, classes)
        winning = cmwp(walked, classes, contrast=False)
    one = torch.ones(2, dtype=torch.float64)
    torch.testing.assert_close(q.sum((1, 2, 3)), one)
    torch.testing.assert_close(mass, one, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(plus.sum((1, 2, 3)), one)
    torch.testing.assert_close(minus.sum((1, 2, 3)), one)
    assert float((plus - minus).abs().sum()) > 0.1
    torch.testing.assert_close(maps.sum((1, 2)), 0 * one, rtol=0, atol=1e-9)
    torch.testing.assert_close(winning.sum((1, 2)), one, rtol=1e-9, atol=1e-9)


def test_the_seed_is_one_cell_at_the_training_size_and_the_logits_are_the_models() -> None:
    net, x = resnet(), images(2, 8, 8)
    walked = walk(net, "layer2", 8, x)
    with torch.no_grad():
        torch.testing.assert_close(walked(x), net(x))
        assert walked.values[walked.top].shape == (2, 5, 1, 1)
        torch.testing.assert_close(walked.values[walked.top][..., 0, 0], net(x))
        assert walked(images(1, 16, 12)).shape == (1, 5)
        torch.testing.assert_close(walked(images(1, 16, 12)), net(images(1, 16, 12)))
        assert walked.values[walked.top].shape == (1, 5, 3, 2)


def test_functions_methods_and_in_place_sums_are_the_same_network() -> None:
    ours, theirs = resnet(), resnet(Functional)
    theirs.load_state_dict(ours.state_dict())
    x, classes = images(), torch.tensor([2, 2])
    assert torch.equal(
        explain(theirs, x, "cmwp", classes=classes, size=8, layer="layer2.0.downsample"),
        explain(ours, x, "cmwp", classes=classes, size=8, layer="layer2.0.downsample"),
    )


def test_batch_norms_must_not_be_folded_where_a_gain_is_negative() -> None:
    net, x, classes = resnet(), images(), torch.tensor([0, 3])

    def difference() -> float:
        folded = for_inference(net, layer="layer2")
        one, two = (explain(n, x, "cmwp", classes=classes, layer="layer2") for n in (net, folded))
        return float((one - two).abs().max() / one.abs().max())

    assert difference() > 0.01
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.abs_()
    assert difference() < 1e-9  # a positive gain scales a channel's weights, which cancels


def test_batches_precision_and_state() -> None:
    net, x = resnet(), images(5)
    net.train()
    before = state(net)
    whole = explain_batch(net, x, explainer="cmwp", layer="layer2")
    assert state(net) == before
    single = torch.cat([explain_batch(net, one[None], explainer="cmwp", layer="layer2").maps for one in x])
    torch.testing.assert_close(whole.maps, single, rtol=1e-9, atol=1e-12)
    assert torch.equal(whole.classes, whole.logits.argmax(1))
    small = net.float()
    single = explain_batch(small, x.float(), explainer="cmwp", layer="layer2", classes=whole.classes)
    torch.testing.assert_close(single.maps.double(), whole.maps, rtol=1e-3, atol=1e-5)
    half = explain_batch(small, x.float(), explainer="cmwp", layer="layer2", classes=whole.classes, precision="bf16")
    assert (
        half.maps.dtype == torch.float32
        and torch.corrcoef(torch.stack([half.maps.flatten(), single.maps.flatten()]))[0, 1] > 0.9
    )


def test_torchvisions_resnet_is_explained_at_layer3_through_a_7x7_window() -> None:
    net = settled(torchvision.models.resnet18(), torch.float32)
    walked = walk(net, own_layer(net), 224, torch.zeros(1))
    assert own_layer(net) == "layer3" and walked.window == (7, 7)
    x = torch.randn(2, 3, 224, 256, generator=torch.Generator().manual_seed(0))
    got = explain_batch(net, x, explainer="cmwp", head=walked)
    assert got.maps.shape == (2, 14, 16) and walked.values[walked.top].shape == (2, 1000, 1, 2)
    assert bool((got.maps > 0).flatten(1).any(1).all()) and float(got.maps.sum((1, 2)).abs().max()) < 1e-4
    with torch.no_grad():
        torch.testing.assert_close(got.logits, net(x), rtol=1e-4, atol=1e-4)
    with pytest.raises(UsageError, match="at least 7×7 before the average pool, got 6×8; use larger images") as caught:
        explain_batch(net, x[:, :, :192], explainer="cmwp", head=walked)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("arch", "layer"), [("vgg11_bn", None), ("mnasnet0_5", "layers.11")])
def test_other_families(arch: str, layer: str | None) -> None:
    torch.manual_seed(0)
    got = explain(torchvision.models.get_model(arch).eval(), torch.randn(1, 3, 64, 64), "cmwp", layer=layer)
    assert got.shape[1:] == (4, 4) and bool((got > 0).any()) and bool((got < 0).any())


@pytest.mark.parametrize(
    ("arch", "layer", "said"),
    [
        ("efficientnet_b0", "features.6", r"got layer features.7.0.block.0.2 \(SiLU\), which has no rule"),
        ("googlenet", "inception4e", "got the operation cat_6, which has no rule"),
        ("resnet18", "avgpool", "expected an average pool above layer avgpool, found none"),
        ("resnet18", "layr3", "no layer 'layr3'.*Did you mean layer3"),
        ("efficientnet_b0", None, r"expected stages \(layer1, layer2, …\) or max-pools in EfficientNet"),
    ],
)
def test_networks_without_a_rule_are_named(arch: str, layer: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        options = {"init_weights": False} if arch == "googlenet" else {}
        explain(torchvision.models.get_model(arch, **options).eval(), torch.randn(1, 3, 64, 64), "cmwp", layer=layer)
    assert "\n" not in str(caught.value)


def test_its_contrast_is_its_own_and_it_needs_eval_mode() -> None:
    for options in ({"target": "weighted"}, {"training": True}):
        with pytest.raises(UsageError, match="cmwp: expected target logit and a network in eval mode"):
            explain_batch(resnet(), images(), explainer="cmwp", layer="layer2", **options)


def test_a_residual_sum_of_zero_gives_no_map() -> None:
    net = resnet()
    for module in (net.layer3[0].bn2, net.layer3[0].downsample[1]):
        module.weight.data[0] = module.bias.data[0] = 0
    assert bool(explain(net, images(), "cmwp", size=8).isnan().all((1, 2)).all())
