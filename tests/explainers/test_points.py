"""Explainers that visit many points: twins, completeness, which coefficients are taken where, batches."""

from __future__ import annotations

import pytest
import torch
from explainers.networks import build, images
from reference import points as twin
from torch import Tensor, nn

from cambench.explainers.batch import explain
from cambench.explainers.control import digest
from cambench.explainers.points import moments, noisy, path
from cambench.targets import INDEX, coefficients

CLASSES = torch.tensor([4, 0, 2])
CONTRASTS = ["logit", "mean", "max", "weighted", "versus:second", "reconstructed"]
FUNCTIONS = ["probability", "log-probability", "log-odds"]


def network(width: int = 4, classes: int = 5) -> nn.Module:
    """A small ReLU network with biases, whose probabilities are neither 0 nor 1."""
    torch.manual_seed(5)
    return nn.Sequential(
        nn.Conv2d(3, width, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(width * 25, 8), nn.Tanh(), nn.Linear(8, classes)
    ).double()


def value(logits: Tensor, name: str, t: int) -> Tensor:
    """The function of the logits (C,) that a target names."""
    if name == "probability":
        return torch.softmax(logits, 0)[t]
    if name == "log-probability":
        return torch.log_softmax(logits, 0)[t]
    return logits[t] - torch.logsumexp(torch.cat([logits[:t], logits[t + 1 :]]), 0)


@pytest.mark.parametrize("target", CONTRASTS)
def test_integrated_gradients_keep_the_coefficients_of_a_contrast_along_the_path(target: str) -> None:
    net, x = network().eval(), images()
    v = coefficients(net(x).detach(), target, CLASSES)
    got = explain(net, x, "integrated-gradients", target, CLASSES)
    for i in range(3):
        expected = twin.integrated_gradients(net, x[i], lambda y, i=i: (v[i] * y).sum())
        torch.testing.assert_close(got[i], expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("target", FUNCTIONS)
def test_integrated_gradients_of_a_function_take_its_gradient_anew_and_are_complete(target: str) -> None:
    net, x = network().eval(), images()
    got = explain(net, x, "ig", target, CLASSES)
    for i, t in enumerate(CLASSES.tolist()):
        expected = twin.integrated_gradients(net, x[i], lambda y, t=t: value(y, target, t))
        torch.testing.assert_close(got[i], expected, rtol=1e-10, atol=1e-13)
        ends = value(net(x[i : i + 1])[0], target, t) - value(net(torch.zeros_like(x[i : i + 1]))[0], target, t)
        assert float(got[i].sum()) == pytest.approx(float(ends.detach()), rel=0.01, abs=1e-3)


def test_which_targets_are_functions_of_the_input() -> None:
    assert {name for name, entry in INDEX.items() if entry.anew} == {*FUNCTIONS, "residual-softmax"}


def test_the_best_class_is_that_of_the_image_at_every_point() -> None:
    net, x = network(), images()
    best = net.eval()(x).argmax(1)
    for name in ("integrated-gradients", "smoothgrad"):
        assert torch.equal(explain(net, x, name, "probability"), explain(net, x, name, "probability", best))
        assert torch.equal(explain(net, x, name, "weighted"), explain(net, x, name, "weighted", best))


def test_integrated_gradients_without_biases_are_input_x_gradient_of_each_class() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(400, 5, bias=False)
    ).double()  # homogeneous: the gradient is the same all along a ray
    x = images()
    for target in CONTRASTS:
        torch.testing.assert_close(
            explain(net, x, "ig", target, CLASSES), explain(net, x, "ixg", target, CLASSES), rtol=1e-10, atol=1e-12
        )


def test_the_path_has_fifty_midpoints_and_starts_beside_zeros() -> None:
    points = list(path(torch.full((1, 3, 2, 2), 2.0, dtype=torch.float64)))
    assert len(points) == 50 and float(points[0].max()) == pytest.approx(0.02) and float(points[-1].min()) == 1.98


@pytest.mark.parametrize("target", ["logit", "weighted"])
def test_noise_averages_match_their_twins(target: str) -> None:
    net, x = network().eval(), images()
    v = coefficients(net(x).detach(), target, CLASSES)
    smooth, variance = (explain(net, x, name, target, CLASSES) for name in ("smoothgrad", "vargrad"))
    for i in range(3):
        maps = twin.noisy_maps(net, x[i], lambda y, i=i: (v[i] * y).sum(), digest(x[i]))
        torch.testing.assert_close(smooth[i], maps.mean(0), rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(variance[i], (maps**2).mean(0) - maps.mean(0) ** 2, rtol=1e-7, atol=1e-12)
    assert float(variance.min()) >= 0 and float(smooth.min()) < 0


def test_noise_belongs_to_its_image_and_has_a_quarter_of_its_range() -> None:
    x = images(2, 40)
    x[1] *= 3
    together = torch.stack(list(noisy(x)))
    assert together.shape[0] == 50 and torch.equal(together[:, 1:], torch.stack(list(noisy(x[1:]))))
    noise = (together - x).std((0, 2, 3, 4))
    torch.testing.assert_close(noise, (x.amax((1, 2, 3)) - x.amin((1, 2, 3))) / 4, rtol=0.01, atol=0)
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("name", ["integrated-gradients", "smoothgrad", "vargrad"])
@pytest.mark.parametrize("target", ["weighted", "probability"])
def test_any_batch_size_gives_the_same_maps(name: str, target: str) -> None:
    net, x = build("norm"), images(4)
    whole = explain(net, x, name, target)
    assert whole.shape == (4, 12, 12)
    alone = torch.cat([explain(net, one[None], name, target) for one in x])
    torch.testing.assert_close(alone, whole, rtol=1e-9, atol=1e-12)


def test_moments_by_hand() -> None:
    maps = [torch.full((1, 1, 1), v) for v in (1.0, 2.0, 6.0)]
    mean, variance = moments(iter(maps))
    assert float(mean) == 3 and float(variance) == pytest.approx(14 / 3)
    assert [float(m) for m in maps] == [1, 2, 6], "the maps themselves are left alone"
