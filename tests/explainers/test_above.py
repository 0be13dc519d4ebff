"""The network above a layer gives what a whole forward pass with the layer's map replaced gives; below it nothing runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from explainers.networks import images, state
from explainers.test_layouts import Last, Vit, seeded
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from cambench.explainers.above import Above
from cambench.explainers.batch import explain
from cambench.explainers.probe import Probe
from cambench.vocabulary import UsageError


class InPlace(nn.Module):
    """A trunk whose modules' outputs are written into, and whose one ReLU is called three times."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.stage = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 5, 3)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        a = self.first(x)
        a += 1.0
        b = self.relu(self.second(self.relu(a)))
        b *= 2.0
        c = self.stage(b)
        c += b[:, :1, 1:-1, 1:-1]
        return self.fc(self.relu(c).mean((2, 3)))


def resnet() -> nn.Module:
    torch.manual_seed(0)
    return ResNet(BasicBlock, [1, 1, 1, 1], num_classes=3).double().eval()


NETWORKS = {
    "in place": (lambda: seeded(InPlace), "stage"),
    "residual sum": (resnet, "layer2.0.bn2"),
    "inside a block": (resnet, "layer3.0.conv1"),
    "shortcut": (resnet, "layer2.0.downsample.0"),
    "stage": (resnet, "layer4"),
    "tokens": (lambda: seeded(Vit, 2), "blocks.1.norm1"),
    "tuples": (lambda: seeded(Vit, 2, True), "blocks.0"),
    "channels last": (lambda: seeded(Last), "stage"),
}


@contextmanager
def replaced(probe: Probe, values: Tensor) -> Iterator[None]:
    """The layer gives another map in whole forward passes, what lies beside it as it was."""

    def replace(module: nn.Module, arguments: object, output: Tensor | tuple[Tensor, None]) -> object:
        first = output[0] if isinstance(output, tuple) else output
        assert probe.arranged is not None
        made = probe.arranged.restore(first, values.clone())
        return (made, *output[1:]) if isinstance(output, tuple) else made

    with probe.module.register_forward_hook(replace):
        yield


def watched(net: nn.Module, layer: str, x: Tensor) -> tuple[Probe, Above, Tensor, Tensor]:
    """A probe and what it watched, the layer's map and the logits."""
    with torch.no_grad(), Probe(net, layer) as probe:
        above = Above(probe)
        with above.watching(x):
            logits = net(x)
        return probe, above, probe.activation.detach(), logits


@pytest.mark.parametrize("case", NETWORKS)
def test_other_maps_give_the_logits_of_whole_passes(case: str) -> None:
    make, layer = NETWORKS[case]
    net = make()
    x = torch.randn(3, 3, 24, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    before, forwards = state(net), [m for m in net.modules() if "forward" in vars(m)]
    probe, above, activation, logits = watched(net, layer, x)
    torch.testing.assert_close(above.logits(activation, slice(None)).detach(), logits)
    other = activation * torch.linspace(0.2, 1.5, activation.shape[1], dtype=torch.float64)[:, None, None]
    with torch.no_grad(), replaced(probe, other):
        expected = net(x)
    torch.testing.assert_close(above.logits(other, slice(None)).detach(), expected)
    assert float((expected - logits).abs().max()) > 1e-3
    several = torch.stack([activation[1], other[1], 2 * activation[1], 0 * activation[1]])
    with torch.no_grad():
        made = above.logits(several, slice(1, 2))
        for maps, row in zip(several, made, strict=True):
            with replaced(probe, maps[None]):
                torch.testing.assert_close(row, net(x[1:2])[0])
    assert state(net) == before and [m for m in net.modules() if "forward" in vars(m)] == forwards


@pytest.mark.parametrize("case", NETWORKS)
def test_gradients_come_back_to_the_other_map_alone(case: str) -> None:
    make, layer = NETWORKS[case]
    net = make()
    x = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    _, above, activation, _ = watched(net, layer, x)
    leaf = activation.clone().requires_grad_()
    above.logits(leaf, slice(None))[:, 1].sum().backward()
    with Probe(net, layer) as probe:
        net(x)[:, 1].sum().backward()
        torch.testing.assert_close(leaf.grad, probe.activation.grad)
    assert all(parameter.grad is None for parameter in net.parameters())


def test_what_lies_below_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = resnet(), torch.randn(2, 3, 24, 24, dtype=torch.float64)
    names, runs = {module: name for name, module in net.named_modules()}, dict.fromkeys(dict(net.named_modules()), 0)
    own = nn.Conv2d.forward

    def forward(module: nn.Conv2d, x: Tensor) -> Tensor:
        runs[names[module]] += len(x)
        return own(module, x)

    monkeypatch.setattr(nn.Conv2d, "forward", forward)
    _, above, activation, _ = watched(net, "layer3.0.conv1", x)
    above.logits(activation[:1].expand(5, -1, -1, -1), slice(0, 1))
    again = {"layer3.0.conv2", "layer3.0.downsample.0", "layer4.0.conv1", "layer4.0.conv2", "layer4.0.downsample.0"}
    assert {name for name, count in runs.items() if count == 2 + 5} == again
    assert {runs[name] for name, module in net.named_modules() if isinstance(module, nn.Conv2d) and name not in again} == {2}


class Twice(nn.Module):
    """A network that runs its layer twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stage, self.fc = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.stage(self.stage(x)).tanh().mean((2, 3)))


def test_a_layer_that_runs_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="layer stage: expected a layer that runs once in a forward pass, got 2 times"):
        explain(seeded(Twice), images(), "ablation-cam", layer="stage")


@pytest.mark.parametrize("case", ["tokens", "tuples", "channels last", "residual sum"])
def test_ablation_and_shapley_cam_of_any_layout(case: str) -> None:
    make, layer = NETWORKS[case]
    net, t = make(), torch.tensor([1, 2])
    x = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad(), Probe(net, layer) as probe:
        logits = net(x).gather(1, t[:, None])[:, 0]
        activation = probe.activation.detach()
    expected = torch.zeros_like(activation[:, 0])
    for k in range(activation.shape[1]):
        without = activation.clone()
        without[:, k] = 0
        with torch.no_grad(), replaced(probe, without):
            drop = (logits - net(x).gather(1, t[:, None])[:, 0]) / logits
        expected += drop[:, None, None] * activation[:, k]
    torch.testing.assert_close(explain(net, x, "ablation-cam", "logit", t, layer), expected)
    small = 1e-7  # H·A as the change of the gradient along A
    gradients = []
    for sign in (1, -1):
        leaf = (activation * (1 + sign * small)).requires_grad_()
        with replaced(probe, leaf):
            gradients.append(torch.autograd.grad(net(x).gather(1, t[:, None]).sum(), leaf)[0])
    curvature, gradient = (gradients[0] - gradients[1]) / (2 * small), sum(gradients) / 2
    weights = (gradient - curvature / 2).mean((2, 3), keepdim=True)
    shapley = explain(net, x, "shapley-cam", "logit", t, layer)
    torch.testing.assert_close(shapley, (weights * activation).sum(1), rtol=1e-5, atol=1e-6)
