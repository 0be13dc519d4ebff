"""The numerical contracts of the class contrasts (weighted-contrast protocol §6.1 to §6.5) on whole networks in float64."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from cambench.explainers.batch import all_class_maps, explain
from cambench.targets import coefficients

CLASSES = 20
T = torch.tensor([3, 11])
LINEAR = ["gradient", "input-x-gradient", "grad-cam", "hires-cam"]


def vgg_bn(classes: int = CLASSES, features: int = 6) -> nn.Module:
    """VGG-like: the explained convolution `conv` stands before its batch norm and its in-place ReLU, under two layers."""
    torch.manual_seed(0)
    net = nn.Sequential()
    for name, module in {
        "stem": nn.Conv2d(3, 4, 3, padding=1),
        "stem_norm": nn.BatchNorm2d(4),
        "stem_act": nn.ReLU(inplace=True),
        "conv": nn.Conv2d(4, features, 3, padding=1),
        "norm": nn.BatchNorm2d(features),
        "act": nn.ReLU(inplace=True),
        "pool": nn.MaxPool2d(2),
        "flat": nn.Flatten(),
        "hidden": nn.Linear(features * 16, 12),
        "relu": nn.ReLU(inplace=True),
        "fc": nn.Linear(12, classes),
    }.items():
        net.add_module(name, module)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2)
    net.fc.weight.data.mul_(4)
    return net.double().eval()


def alexnet_like() -> nn.Module:
    """The same without batch norms: an in-place ReLU writes over the convolution's output."""
    net = vgg_bn()
    net.norm = net.stem_norm = nn.Identity()
    return net


NETWORKS = {"vgg-bn": vgg_bn, "alexnet": alexnet_like}


def pictures(n: int = 2) -> Tensor:
    """Random images."""
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def close(got: Tensor, expected: Tensor) -> bool:
    """Within 1e-12 of the scale of the maps."""
    return float((got - expected).abs().max()) <= 1e-12 * float(expected.abs().max()) and float(expected.abs().max()) > 0


def p_of(net: nn.Module, x: Tensor) -> Tensor:
    """p_t as (N,1,1)."""
    return torch.softmax(net(x), 1).gather(1, T[:, None])[..., None].detach()


@pytest.mark.parametrize("layer", ["conv", "act"])
@pytest.mark.parametrize("explainer", LINEAR)
@pytest.mark.parametrize("network", NETWORKS)
def test_1_probabilities_are_explained_by_multiples_of_the_weighted_contrast(
    network: str, explainer: str, layer: str
) -> None:
    net, x = NETWORKS[network](), pictures()
    maps = {t: explain(net, x, explainer, t, T, layer) for t in ("weighted", "probability", "log-probability", "log-odds")}
    p = p_of(net, x)
    assert close(maps["probability"], p * (1 - p) * maps["weighted"])
    assert close(maps["log-probability"], (1 - p) * maps["weighted"])
    assert torch.equal(maps["log-odds"], maps["weighted"])


def test_1_that_fails_for_integrated_gradients_because_alpha_varies_along_the_path() -> None:
    net, x = vgg_bn(), pictures()
    maps = {t: explain(net, x, "integrated-gradients", t, T) for t in ("weighted", "probability", "log-odds")}
    p = p_of(net, x)
    cosine = nn.functional.cosine_similarity(maps["log-odds"].flatten(1), maps["weighted"].flatten(1))
    assert float(cosine.max()) < 0.9999 and float(cosine.min()) > 0, "not even the direction is the same"
    scaled = p * (1 - p) * maps["weighted"]
    assert float((maps["probability"] - scaled).norm() / scaled.norm()) > 0.05


@pytest.mark.parametrize("target", ["mean", "max", "weighted"])
@pytest.mark.parametrize("explainer", ["grad-cam", "hires-cam"])
@pytest.mark.parametrize("network", NETWORKS)
def test_2_one_backward_pass_is_the_combination_of_the_maps_of_all_classes(
    network: str, explainer: str, target: str
) -> None:
    net, x = NETWORKS[network](), pictures()
    v = coefficients(net(x), target, T)
    every = all_class_maps(net, x, explainer, "conv")
    assert close(explain(net, x, explainer, target, T, "conv"), torch.einsum("nc,nchw->nhw", v, every))


@pytest.mark.parametrize("target", ["mean", "max", "weighted"])
def test_2_so_are_integrated_gradients_with_the_coefficients_of_the_image(target: str) -> None:
    net, x = vgg_bn(classes=5), pictures()
    t = T % 5
    v = coefficients(net(x), target, t)
    every = torch.stack([explain(net, x, "ig", "logit", torch.full((2,), c)) for c in range(5)], 1)
    assert close(explain(net, x, "ig", target, t), torch.einsum("nc,nchw->nhw", v, every))


class Raised(nn.Module):
    """A network to all of whose logits one functional of the input is added: a constant, or one that is linear."""

    def __init__(self, net: nn.Module, linear: bool) -> None:
        super().__init__()
        self.net, self.linear = net, linear

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) + ((x * torch.linspace(-1, 1, 8).to(x)).sum((1, 2, 3))[:, None] if self.linear else 7.0)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("target", ["logit", "mean", "max", "weighted"])
def test_3_what_is_added_to_all_logits_changes_no_contrast(target: str, linear: bool) -> None:
    net, x = vgg_bn(), pictures()
    before = explain(net, x, "gradient", target, T)
    after = explain(Raised(net, linear), x, "gradient", target, T)
    same = float((after - before).abs().max()) <= 1e-12 * float(before.abs().max())
    assert same == (target != "logit" or not linear)


@pytest.mark.parametrize("explainer", [*LINEAR, "integrated-gradients"])
def test_4_with_two_classes_the_contrasts_coincide_and_the_second_class_has_the_opposite_map(explainer: str) -> None:
    net, x = vgg_bn(classes=2), pictures()
    best = net(x).argmax(1)
    maps = {t: explain(net, x, explainer, t, best, "conv") for t in ("mean", "max", "weighted")}
    assert close(maps["max"], maps["mean"]) and close(maps["weighted"], maps["mean"])
    assert close(explain(net, x, explainer, "weighted", 1 - best, "conv"), -maps["weighted"])


class Saturated(nn.Module):
    """Logits (30, 5, 1) plus one pixel each: the gradient of S in pixel c is v_c."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor([30.0, 5.0, 1.0]) + x[:, 0, 0, :3]


def test_5_in_float32_log_odds_survive_where_the_probability_loses_its_gradient() -> None:
    x = torch.zeros(1, 3, 4, 4)
    zero = torch.tensor([0])
    got = explain(Saturated(), x, "gradient", "log-odds", zero)[0, 0, :3]
    torch.testing.assert_close(got, torch.tensor([1, -0.982, -0.018]), atol=5e-4, rtol=0)
    leaf = x.clone().requires_grad_()
    (of_p,) = torch.autograd.grad(torch.softmax(Saturated()(leaf), 1)[0, 0], leaf)
    assert float(of_p[0, 0, 0, 0]) == 0, "p_t rounds to 1, so the target's own part of the gradient is gone"
    ours = explain(Saturated(), x, "gradient", "probability", zero)[0, 0, :3]
    assert float(ours[0]) > 0, "the target probability is computed without that loss"
    torch.testing.assert_close(ours / ours[0], got, atol=1e-5, rtol=0)


def test_the_named_tensor_is_explained_though_an_in_place_relu_writes_over_it() -> None:
    net, x = alexnet_like(), pictures()
    plain = copy.deepcopy(net)
    plain.act = nn.ReLU()
    for layer in ("conv", "act"):
        for explainer in ("grad-cam", "hires-cam"):
            got = explain(net, x, explainer, "weighted", T, layer)
            assert torch.equal(got, explain(plain, x, explainer, "weighted", T, layer))
    before, after = (explain(net, x, "grad-cam", "weighted", T, layer) for layer in ("conv", "act"))
    assert not torch.equal(before, after)
