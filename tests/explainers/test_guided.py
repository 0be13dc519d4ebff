"""Guided backpropagation, deconvnet and guided Grad-CAM: by hand, by captum, however a network calls its ReLUs."""

from __future__ import annotations

import pytest
import torch
import torchvision
from explainers.networks import build, images, state
from reference import cam as cams
from reference import guided as twin
from reference.masks import upsampled
from torch import Tensor, nn
from torch.nn import functional

from cambench.explainers import find_explainer
from cambench.explainers.batch import explain, explain_batch
from cambench.explainers.rectifiers import guided, rectifying
from cambench.targets import coefficients
from cambench.vocabulary import UsageError

CLASSES = torch.tensor([4, 0, 2])
METHODS = {"guided-backprop": "guided", "deconvnet": "deconvnet"}


def chain(relu: type[nn.Module] = nn.ReLU, **options: bool) -> nn.Sequential:
    """Three convolutions with a ReLU behind each, average, linear layer."""
    torch.manual_seed(2)
    net = nn.Sequential(
        *(nn.Conv2d(3, 6, 3, stride=2, padding=1), relu(**options), nn.Conv2d(6, 6, 3), relu(**options)),
        *(nn.Conv2d(6, 8, 3, padding=1), relu(**options), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)),
    ).double()
    with torch.no_grad():
        net[2].weight *= 20  # so that a ReLU6 is full here and there
    return net.eval()


class Functional(nn.Module):
    """The chain, whose ReLUs are called as functions, each time another way."""

    def __init__(self, net: nn.Sequential) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        a = self.net[2](functional.relu(self.net[0](x)))
        a = self.net[4](torch.relu(input=a))
        a.relu_()
        return self.net[8](a.mean((2, 3)))


@pytest.mark.parametrize("target", ["logit", "weighted", "probability"])
@pytest.mark.parametrize("relu", [nn.ReLU, nn.ReLU6])
@pytest.mark.parametrize("name", METHODS)
def test_by_hand(name: str, relu: type[nn.Module], target: str) -> None:
    net, x = chain(relu), images()
    v = coefficients(net(x).detach(), target, CLASSES)
    got = explain(net, x, name, target, CLASSES)
    for n in range(3):
        expected = twin.backward(list(net), x[n], v[n], METHODS[name])
        torch.testing.assert_close(got[n], expected.sum(0), rtol=1e-9, atol=1e-14)
        plain = twin.backward(list(net), x[n], v[n], "gradient").sum(0)
        torch.testing.assert_close(explain(net, x, "gradient", target, CLASSES)[n], plain, rtol=1e-9, atol=1e-14)
        assert not torch.allclose(got[n], plain, rtol=0.1)
    largest = explain(net, x, f"{name}:colours=largest", target, CLASSES)
    torch.testing.assert_close(largest[2], expected.abs().amax(0), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("target", ["logit", "weighted"])
def test_guided_grad_cam_by_hand(target: str) -> None:
    net, x = chain(), images()[:, :, :, :10]
    v = coefficients(net(x).detach(), target, CLASSES)
    got = explain(net, x, "guided-grad-cam", target, CLASSES, "4")
    for n in range(3):
        activation, gradient = cams.activation_and_gradient(net, net[4], x[n], v[n])
        cam = cams.combine("grad-cam", activation, gradient)
        expected = twin.backward(list(net), x[n], v[n], "guided").sum(0) * upsampled(cam * (cam > 0), (12, 10))
        torch.testing.assert_close(got[n], expected, rtol=1e-9, atol=1e-14)
    assert got.shape == (3, 12, 10) and float(got.min()) < 0 < float(got.max())
    best = explain_batch(net, x, explainer="guided-grad-cam", target=target)
    assert torch.equal(best.classes, net(x).argmax(1))
    torch.testing.assert_close(best.maps, explain(net, x, "guided-grad-cam", target, best.classes, "5"))


@pytest.mark.parametrize("name", [*METHODS, "guided-grad-cam"])
@pytest.mark.parametrize("relu", [nn.ReLU, nn.ReLU6])
def test_in_place_and_functional_relus_are_the_same(name: str, relu: type[nn.Module]) -> None:
    x = images()
    expected = explain(chain(relu), x, name, "logit", CLASSES, "4")
    net = chain(relu, inplace=True)
    before = state(net)
    torch.testing.assert_close(explain(net, x, name, "logit", CLASSES, "4"), expected, rtol=1e-12, atol=1e-15)
    assert state(net) == before
    if relu is nn.ReLU:
        got = explain(Functional(chain()), x, name, "logit", CLASSES, "net.4")
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", [*METHODS, "guided-grad-cam"])
def test_any_batch_gives_the_same_maps_and_bf16_nearly(name: str) -> None:
    net, x = build("two-layers"), images(4)
    whole = explain(net, x, name, layer="stage")
    alone = torch.cat([explain(net, one[None], name, layer="stage") for one in x])
    torch.testing.assert_close(alone, whole, rtol=1e-9, atol=1e-14)
    half = explain_batch(net.float(), x.float(), explainer=name, layer="stage", precision="bf16").maps
    assert half.dtype == torch.float32 and 0 < float((half - whole).norm() / whole.norm()) < 0.1


@pytest.mark.parametrize("name", [*METHODS, "guided-grad-cam"])
def test_other_activation_functions_are_refused(name: str) -> None:
    x = images()
    for relu in (nn.SiLU, nn.GELU, nn.Hardswish, nn.LeakyReLU, nn.PReLU, nn.ELU):
        net = chain(relu).double()
        function = {"PReLU": "prelu", "LeakyReLU": "leaky_relu", "ELU": "elu"}.get(relu.__name__, relu.__name__.lower())
        before = state(net)
        with pytest.raises(UsageError, match=f"^{name}: expected .* ReLU or ReLU6, got {function}; use gradient"):
            explain(net, x, name, layer="4")
        assert state(net) == before
    with pytest.raises(UsageError, match=f"^{name}: expected .* got none; use gradient"):
        explain(chain(nn.Tanh), x, name, layer="4")
    assert functional.silu(torch.ones(1)) > 0, "outside nothing is refused"


@pytest.mark.parametrize("kind", ["chain", "resnet18"])
def test_captum(kind: str) -> None:
    attr = pytest.importorskip("captum.attr")
    if kind == "chain":
        net, x, layer = chain(), images(), "4"
    else:
        torch.manual_seed(0)
        net, layer = torchvision.models.resnet18(weights=None, num_classes=5).double().eval(), "layer3"
        x = images(3, 48)
    cam = attr.GuidedGradCam(net, net.get_submodule(layer))
    theirs = {
        "guided-backprop": attr.GuidedBackprop(net).attribute(x.clone().requires_grad_(), target=CLASSES),
        "deconvnet": attr.Deconvolution(net).attribute(x.clone().requires_grad_(), target=CLASSES),
        "guided-grad-cam": cam.attribute(x.clone().requires_grad_(), target=CLASSES, interpolate_mode="bilinear"),
    }
    for name, attributed in theirs.items():
        ours = explain(net, x, name, "logit", CLASSES, layer)
        torch.testing.assert_close(ours, attributed.detach().sum(1), rtol=1e-6, atol=1e-12)


def test_a_relu6_is_closed_at_both_its_bounds_as_torchs_own() -> None:
    a = torch.tensor([-1.0, 0.0, 3.0, 6.0, 7.0], requires_grad=True)
    (own,) = torch.autograd.grad(functional.relu6(a).sum(), a)
    with rectifying(guided, "guided-backprop"):
        made = functional.relu6(a)
    (passed,) = torch.autograd.grad(made.sum(), a)
    assert own.tolist() == passed.tolist() == [0, 0, 1, 0, 0]


def test_what_they_cost() -> None:
    assert [find_explainer(name).passes for name in (*METHODS, "guided-grad-cam")] == [3, 3, 4]
