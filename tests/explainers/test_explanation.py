"""Explanations against a float64 twin, for every head, target and batch size; the model is left alone."""

from __future__ import annotations

import pytest
import torch
import torchvision
from explainers.networks import build, images, state
from reference import cam as twin
from torch import Tensor, nn
from torch.nn.modules import module
from torchvision.models.resnet import BasicBlock, ResNet

from cambench.explainers import INDEX, find_explainer
from cambench.explainers.batch import all_class_maps, explain, explain_batch
from cambench.targets import coefficients
from cambench.vocabulary import CambenchError, UsageError

LAYER_EXPLAINERS = ["grad-cam", "hires-cam", "cam"]
HEADS = ["gap-linear", "inplace-relu", "residual", "two-layers", "max", "norm"]
PAIRS = [("cam", "gap-linear"), *((name, head) for name in ("grad-cam", "hires-cam", twin.MEAN) for head in HEADS)]
SMALLER = {"rise": "rise:masks=70", "ss-cam": "ss-cam:samples=2", "extremal-perturbation": "extremal-perturbation:steps=3"}
"""What asks about thousands of masked images."""
OF_ATTENTION = [name for name, entry in INDEX.items() if entry.space == "attention"]
TARGETS = ["logit", "weighted", "probability", "mean", "max", "versus:second", "reconstructed"]


def expected_maps(net: nn.Module, x: Tensor, name: str, target: str, classes: Tensor) -> Tensor:
    """The twin's maps, image by image, in eval mode."""
    net.eval()
    v = coefficients(net(x), target, classes)
    found = [twin.activation_and_gradient(net, net.stage, one, w) for one, w in zip(x, v, strict=True)]
    net.train()
    return torch.stack([twin.combine(name, a, g) for a, g in found])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("name", "head"), PAIRS)
def test_maps_match_their_twin(name: str, head: str, target: str) -> None:
    net, x, classes = build(head), images(), torch.tensor([4, 0, 2])
    got = explain(net, x, name, target, classes, "stage")
    torch.testing.assert_close(got, expected_maps(net, x, name, target, classes), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", [*LAYER_EXPLAINERS, twin.MEAN])
def test_closed_form_and_head_gradient_agree(name: str) -> None:
    net, x = build(), images()
    closed = explain_batch(net, x, explainer=name, layer="stage", head=net.fc)
    general = explain_batch(net, x, explainer=name, layer="stage")
    torch.testing.assert_close(closed.maps, general.maps, rtol=1e-11, atol=1e-13)
    assert torch.equal(closed.logits, general.logits) and torch.equal(closed.classes, general.classes)
    assert not closed.maps.requires_grad and not general.maps.requires_grad and not general.logits.requires_grad


@pytest.mark.parametrize("head", ["gap-linear", "two-layers"])
def test_any_batch_size_gives_the_same_maps(head: str) -> None:
    net, x = build(head, torch.float32), images(7, dtype=torch.float32)
    options = {
        "explainer": "grad-cam",
        "target": "weighted",
        "layer": "stage",
        "head": net.fc if head == "gap-linear" else None,
    }
    whole = explain_batch(net, x, **options)
    for size in (1, 2, 5):
        parts = [explain_batch(net, part, **options) for part in x.split(size)]
        torch.testing.assert_close(torch.cat([p.maps for p in parts]), whole.maps, rtol=1e-5, atol=1e-6)
        assert torch.equal(torch.cat([p.classes for p in parts]), whole.classes)


@pytest.mark.parametrize("explainer", [SMALLER.get(name, name) for name, entry in INDEX.items() if not entry.package])
@pytest.mark.parametrize("head", ["gap-linear", "inplace-relu"])
def test_model_images_and_weights_are_left_alone(explainer: str, head: str) -> None:
    net, x = build(head), images()
    net.stem[1].eval()
    net.fc.weight.requires_grad_(False)
    before, pixels = state(net), x.clone()
    refusals = {"acol": "expected a network with ACoL's two classifiers", **dict.fromkeys(OF_ATTENTION, "expected blocks")}
    if head == "inplace-relu":
        refusals |= {name: f"{name} needs a head" for name in ("cam", "score-map", "min-max-cam")}
    if explainer in refusals:
        with pytest.raises(UsageError, match=refusals[explainer]):
            explain(net, x, explainer, layer="stage")
    else:
        explain(net, x, explainer, layer="stage")
        explain(net, x, explainer, layer="stage")
    with pytest.raises(UsageError):
        explain(net, x, explainer, target="versus:9", layer="stage")
    assert state(net) == before and torch.equal(x, pixels)


def test_it_works_where_gradients_are_off_and_on_inference_tensors() -> None:
    for name in ("grad-cam", "input-x-gradient"):
        for head in ("gap-linear", "two-layers"):
            net, x = build(head), images()
            expected = explain(net, x, name, layer="stage")
            with torch.no_grad():
                assert torch.equal(explain(net, x, name, layer="stage"), expected)
            with torch.inference_mode():
                torch.testing.assert_close(explain(net, x.clone(), name, layer="stage"), expected)
                classes = net.eval()(x).argmax(1)
                torch.testing.assert_close(explain(net, x.clone(), name, "logit", classes, "stage"), expected)


def test_a_class_per_image_and_the_best_class_by_default() -> None:
    net, x = build(), images()
    result = explain_batch(net, x, explainer="grad-cam", layer="stage")
    assert torch.equal(result.classes, net.eval()(x).argmax(1))
    chosen = torch.tensor([1, 3, 0])
    one_by_one = [explain(net, x[i : i + 1], "grad-cam", "logit", chosen[i : i + 1], "stage") for i in range(3)]
    given = explain_batch(net, x, explainer="grad-cam", classes=chosen, layer="stage")
    torch.testing.assert_close(given.maps, torch.cat(one_by_one), rtol=1e-12, atol=1e-14)
    assert torch.equal(given.classes, chosen)


@pytest.mark.parametrize("head", ["gap-linear", "two-layers"])
@pytest.mark.parametrize("name", ["grad-cam", "hires-cam"])
def test_all_class_maps_are_the_maps_of_each_class(name: str, head: str) -> None:
    net, x = build(head), images()
    maps = all_class_maps(net, x, name, "stage")
    assert maps.shape == (3, 5, 6, 6)
    for c in range(5):
        torch.testing.assert_close(
            maps[:, c], explain(net, x, name, "logit", torch.full((3,), c), "stage"), rtol=1e-10, atol=1e-12
        )


def test_hires_maps_of_a_linear_head_sum_to_the_logits() -> None:
    net, x = build(), images()
    torch.testing.assert_close(
        all_class_maps(net, x, layer="stage").sum((2, 3)) + net.fc.bias.detach(), net.eval()(x).detach()
    )
    scaled = all_class_maps(net, x, "cam", layer="stage").mean((2, 3)) + net.fc.bias.detach()
    torch.testing.assert_close(scaled, net(x).detach())


def test_maps_are_linear_in_the_target() -> None:
    net, x, t = build("two-layers"), images(), torch.tensor([0, 1, 2])
    maps = all_class_maps(net, x, layer="stage")
    v = coefficients(net.eval()(x), "weighted", t)
    torch.testing.assert_close(explain(net, x, "hires-cam", "weighted", t, "stage"), torch.einsum("nc,nchw->nhw", v, maps))


@pytest.mark.parametrize("head", ["gap-linear", "two-layers"])
def test_bf16_runs_the_trunk_alone_in_bf16(head: str) -> None:
    net, x = build(head, torch.float32), images(dtype=torch.float32)
    seen: dict[str, torch.dtype] = {}
    for name in ("stage", "fc"):
        net.get_submodule(name).register_forward_hook(lambda m, i, o, n=name: seen.__setitem__(n, o.dtype))
    fc = net.fc if head == "gap-linear" else None
    plain = explain_batch(net, x, explainer="grad-cam", layer="stage", head=fc, classes=torch.tensor([0, 1, 2]))
    assert seen["stage"] == torch.float32
    result = explain_batch(
        net, x, explainer="grad-cam", layer="stage", head=fc, classes=torch.tensor([0, 1, 2]), precision="bf16"
    )
    assert seen == {"stage": torch.bfloat16, "fc": torch.float32}
    assert result.maps.dtype == result.logits.dtype == torch.float32
    assert 0 < float((result.maps - plain.maps).norm() / plain.maps.norm()) < 0.02
    assert not torch.is_autocast_enabled("cpu")
    gradient = explain_batch(net, x, explainer="gradient", precision="bf16")
    assert gradient.maps.dtype == torch.float32 and gradient.maps.shape == (3, 12, 12)


@pytest.mark.parametrize("layer", ["layer2.0.downsample.0", "layer2.0.conv1", "layer2.0.relu"])
def test_in_bf16_a_layer_inside_a_block_meets_what_comes_by_another_path(layer: str) -> None:
    torch.manual_seed(0)
    net, x, classes = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=4).eval(), torch.randn(2, 3, 32, 32), torch.tensor([0, 3])
    plain = explain_batch(net, x, explainer="grad-cam", layer=layer, classes=classes)
    half = explain_batch(net, x, explainer="grad-cam", layer=layer, classes=classes, precision="bf16")
    assert half.maps.shape == plain.maps.shape and half.maps.dtype == torch.float32
    assert 0 < float((half.maps - plain.maps).norm() / plain.maps.norm()) < 0.2
    assert not module._global_forward_pre_hooks, "a hook is left"


def test_input_gradients_are_those_of_autograd() -> None:
    net, x = build("two-layers"), images()
    net.eval()
    leaf = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(net(leaf)[:, 2].sum(), leaf)
    two = torch.full((3,), 2)
    torch.testing.assert_close(explain(net, x, "gradient", "logit", two), g.sum(1))
    torch.testing.assert_close(explain(net, x, "ixg", "logit", two), (x * g).sum(1))


def test_a_real_network_at_64_pixels() -> None:
    torch.manual_seed(0)
    net = torchvision.models.resnet18(weights=None, num_classes=10).double().eval()
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    classes = torch.tensor([3, 7])
    for name in ("grad-cam", "hires-cam", "cam"):
        got = explain(net, x, name, "weighted", classes)
        v = coefficients(net(x), "weighted", classes)
        for i in range(2):
            a, g = twin.activation_and_gradient(net, net.layer4, x[i], v[i])
            torch.testing.assert_close(got[i], twin.combine(name, a, g), rtol=1e-9, atol=1e-12)
    inner = explain(net, x, "hires-cam", classes=classes, layer="layer4.0.bn2")  # overwritten by the residual sum
    a, g = twin.activation_and_gradient(net, net.layer4[0].bn2, x[1], torch.eye(10, dtype=torch.float64)[7])
    torch.testing.assert_close(inner[1], (a * g).sum(0), rtol=1e-9, atol=1e-12)


def test_names_aliases_and_errors() -> None:
    assert find_explainer("Linear_Approximation") is INDEX["hires-cam"]
    assert all(name == entry.name and entry.summary and entry.source and entry.unit for name, entry in INDEX.items())
    net, x = build(), images()
    with pytest.raises(UsageError, match="Did you mean grad-cam"):
        explain(net, x, "grad-cams")
    with pytest.raises(UsageError, match="float32 or bf16, got 'fp8'"):
        explain_batch(net, x, explainer="grad-cam", precision="fp8")
    for name in ("gradient", "random"):
        with pytest.raises(UsageError, match=f"explainer of a layer, got {name}"):
            all_class_maps(net, x, name)
    with pytest.raises(UsageError, match="each of 3 images"):
        explain(net, x, classes=torch.tensor([1]))
    with pytest.raises(UsageError, match=r"logits \(N,C\), got a list of \(3, 5, 1\); return"):
        explain_batch(Tupled(net), x, explainer="grad-cam", layer="net.stage")
    assert explain_batch(net, x, explainer="grad-cam").maps.shape == (3, 6, 6)


def test_logits_that_are_not_finite_are_an_error() -> None:
    net, x = build(), images()
    x[1] = torch.nan
    with pytest.raises(CambenchError, match="NaN or infinity for 1 of 3 images"):
        explain_batch(net, x, explainer="grad-cam", layer="stage", head=net.fc)


class Tupled(nn.Module):
    """A model that does not return logits."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.net(x)[:, :, None]]


@pytest.mark.parametrize("target", ["logit", "weighted"])
def test_without_its_head_a_network_explains_channels_as_if_they_were_classes(target: str) -> None:
    net, x, classes = build().eval(), images(4), torch.tensor([0, 4, 2, 1])
    bare, named = nn.Sequential(net.stem, net.stage, net.pool, nn.Flatten()), "grad-cam:head=false"
    maps = explain(net, x, named, target, classes, "stage")
    v = coefficients(net.eval()(x).detach(), name=target, classes=classes)
    for i in range(4):
        padded = torch.cat([v[i], v.new_zeros(1)])  # six channels, five classes
        activation, gradient = twin.activation_and_gradient(bare, net.stage, x[i], padded)
        torch.testing.assert_close(maps[i], twin.combine("grad-cam", activation, gradient), rtol=1e-12, atol=1e-12)
    every = all_class_maps(net, x, named, layer="stage")
    torch.testing.assert_close(every, net.stage(net.stem(x))[:, :5].detach() / every[0, 0].numel())


def test_channels_are_no_classes_where_there_are_too_few_of_them_or_another_head() -> None:
    wide = build()
    wide.fc = nn.Linear(6, 7).double()
    with pytest.raises(UsageError, match="grad-cam:head=false: expected a channel for each of 7 classes, got 6"):
        explain(wide, images(1), "grad-cam:head=false", layer="stage")
    with pytest.raises(UsageError, match="needs a head of global average pooling"):
        explain(build("two-layers"), images(1), "grad-cam:head=false", layer="stage")
