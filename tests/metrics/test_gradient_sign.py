"""Gradient-sign perturbation: its twin, a linear network by hand, the clip bounds, the step count, the best other class."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from reference import gradient_sign as twin
from torch import Tensor, nn

from cambench import metrics
from cambench.explainers.batch import input_gradients
from cambench.metrics.faithfulness import gradient_sign as gs
from cambench.pixels import to_input
from cambench.targets import coefficients
from cambench.vocabulary import CambenchError


def network() -> nn.Module:
    """A small network whose classes are close to one another."""
    torch.manual_seed(4)
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(80, 6), nn.Tanh(), nn.Linear(6, 4)).double()


def pixels(n: int = 3) -> Tensor:
    """Random images in [0,1], with some pixels at its ends."""
    x = torch.rand(n, 3, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return ((x - 0.5) * 1.2 + 0.5).clamp(0, 1)


LABEL = torch.tensor([0, 2, 3])


@pytest.mark.parametrize("target", ["logit", "mean", "max", "weighted"])
def test_columns_match_their_twin(target: str) -> None:
    net, start = network().eval(), pixels()
    x = to_input(start)
    found = gs.measure(x, LABEL, net, partial(input_gradients, net, target=target))
    assert set(found) == set(gs.VARIANTS) and len(gs.VARIANTS) == 18
    for i in range(3):
        t = int(LABEL[i])
        v = lambda y, t=t: coefficients(y[None], target, torch.tensor([t]))[0]  # noqa: E731
        for epsilon in (0.001, 0.003):
            for n in (1, 2, 10):
                expected, iterates = twin.changes(net, v, start[i], t, epsilon, n)
                for name, value in expected.items():
                    assert found[f"{epsilon}/{n}/{name}"][i].item() == pytest.approx(value, rel=1e-6, abs=1e-12)
                low, high = (start[i] - epsilon).clamp(min=0), (start[i] + epsilon).clamp(max=1)
                assert all(bool(((low <= step) & (step <= high)).all()) for step in iterates)


class Counter:
    """The gradient of a linear network, remembering where it was asked for."""

    def __init__(self, gradient: Tensor) -> None:
        self.gradient, self.seen = gradient, []

    def __call__(self, image: Tensor, classes: Tensor) -> Tensor:
        self.seen.append(image)
        return self.gradient.expand_as(image)


def test_a_linear_network_by_hand() -> None:
    """y_0 is 1000 times the sum of all pixels of a mid-grey image, y_1 is 0; one pixel starts at 1 and cannot rise."""
    start = torch.full((1, 3, 2, 2), 0.5, dtype=torch.float64)
    start[0, 0, 0, 0] = 1

    def predict(x: Tensor) -> Tensor:
        y = 1000 * (gs.to_pixels(x) - start).sum((1, 2, 3))
        return torch.stack([y, torch.zeros_like(y)], 1) + torch.tensor([[-5.0, 0.0]])

    differentiate = Counter(torch.ones(1, 3, 2, 2))
    found = gs.measure(to_input(start), torch.tensor([0]), predict, differentiate)
    for epsilon in (0.001, 0.003):
        for n in (1, 2, 10):
            rise = 11 * 1000 * epsilon
            assert float(found[f"{epsilon}/{n}/logit"]) == pytest.approx(rise), "in all, n steps move a pixel by ε"
            p = [float(torch.sigmoid(torch.tensor(y).double())) for y in (-5, -5 + rise)]
            assert float(found[f"{epsilon}/{n}/probability"]) == pytest.approx(p[1] - p[0])
            assert float(found[f"{epsilon}/{n}/accuracy"]) == 1, "it was wrong and is right"
    assert len(differentiate.seen) == 1 + 2 * (1 + 9), "the first step's gradient is shared"
    printed = gs.measure(to_input(start), torch.tensor([0]), predict, differentiate, printed=True)
    assert float(printed["0.003/1/logit"]) == pytest.approx(36), "as printed, the white pixel goes to 1.003"


def test_clip_bounds() -> None:
    start = torch.tensor([0.0, 0.5, 1.0]).double()
    low, high = gs.bounds(start, 0.1, False)
    torch.testing.assert_close(low, torch.tensor([0, 0.4, 0.9]).double())
    torch.testing.assert_close(high, torch.tensor([0.1, 0.6, 1]).double())
    low, high = gs.bounds(start, 0.1, True)
    torch.testing.assert_close(low, torch.tensor([-0.1, 0, 0]).double())
    torch.testing.assert_close(high, torch.tensor([1, 1, 1.1]).double())


def test_the_sign_of_a_contrast_is_that_of_the_probability_and_max_takes_the_top_class() -> None:
    net, x = network().eval(), to_input(pixels())
    signs = {
        t: gs.measure(x, LABEL, net, partial(input_gradients, net, target=t))
        for t in ("weighted", "probability", "log-probability", "log-odds")
    }
    for found in signs.values():
        assert all(torch.equal(found[name], signs["weighted"][name]) for name in gs.VARIANTS)
    y = net(x[:1]).detach()
    worst, best = torch.tensor([int(y.argmin())]), int(y.argmax())
    towards = input_gradients(net, x[:1], worst, "max")
    apart = input_gradients(net, x[:1], worst) - input_gradients(net, x[:1], torch.tensor([best]))
    torch.testing.assert_close(towards, apart)


def test_batches_change_nothing_and_inputs_are_left_alone() -> None:
    net, x = network().eval(), to_input(pixels())
    before, differentiate = x.clone(), partial(input_gradients, net, target="weighted")
    whole = gs.measure(x, LABEL, net, differentiate)
    parts = [gs.measure(x[i : i + 1], LABEL[i : i + 1], net, differentiate) for i in range(3)]
    for name in gs.VARIANTS:
        torch.testing.assert_close(torch.cat([part[name] for part in parts]), whole[name])
    assert torch.equal(x, before) and not whole["0.001/1/logit"].requires_grad


def test_what_is_not_finite_is_an_error() -> None:
    net, x = network().eval(), to_input(pixels())
    with pytest.raises(CambenchError, match="gradients: expected finite"):
        gs.measure(x, LABEL, net, lambda image, classes: image * torch.nan)
    with pytest.raises(CambenchError, match="logits: expected finite"):
        gs.measure(x, LABEL, lambda image: net(image) * torch.nan, lambda image, classes: image)


def test_the_index_fixes_the_explainer() -> None:
    for name in ("gradient-sign", "gradient-sign-printed"):
        metric = metrics.find_metric(name)
        assert metric.fixed == "gradient" and metric.looks and not metric.explains
        assert set(metrics.needs(metric)) == {"image", "label", "predict", "differentiate", "normalisation"}
