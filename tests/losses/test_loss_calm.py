"""CALM's losses against loops, and their equal gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from reference import calm as slow
from torch import Tensor

from cambench.losses.calm import calm_em_loss, calm_ml_loss
from cambench.models.calm_head import CalmHead
from cambench.vocabulary import UsageError


def drawn(n: int = 3, classes: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """Class scores, location probabilities with exact zeros, labels; float64."""
    rng = np.random.default_rng(0)
    h = np.stack([slow.prior(rng.standard_normal((3, 5))) for _ in range(n)])
    assert (h == 0).any()
    return torch.from_numpy(rng.standard_normal((n, classes, 3, 5))), torch.from_numpy(h), torch.tensor([0, 3, 1])


@pytest.mark.parametrize(("loss", "twin"), [(calm_ml_loss, slow.ml), (calm_em_loss, slow.em)])
def test_losses_are_those_of_the_formulas(loss, twin) -> None:
    g, h, labels = drawn()
    assert float(loss(g, h, labels)) == pytest.approx(twin(g.numpy(), h.numpy(), labels.numpy()), rel=1e-12)
    single = loss(g.float(), h.float(), labels)
    assert float(single) == pytest.approx(twin(g.numpy(), h.numpy(), labels.numpy()), rel=1e-5)
    assert float(loss(torch.log_softmax(g, 1), h, labels)) == pytest.approx(float(loss(g, h, labels)), rel=1e-12)


def test_a_location_of_hardly_any_probability_is_raised_by_the_floor_and_still_learns() -> None:
    g = torch.tensor([[[[20.0, -20.0]], [[0.0, 0.0]]]], dtype=torch.float64)  # the label is at the unlikely location alone
    h = torch.tensor([[[5e-9, 1 - 5e-9]]], dtype=torch.float64, requires_grad=True)
    loss = calm_em_loss(g, h, torch.tensor([0]))
    joint = [5e-9 / (1 + math.exp(-20)), (1 - 5e-9) / (1 + math.exp(20))]
    q = [each / (sum(joint) + 1e-10) for each in joint]
    assert q[0] > 0.5
    assert float(loss.detach()) == pytest.approx(slow.em(g.numpy(), h.detach().numpy(), np.array([0])), rel=1e-12)
    (gradient,) = torch.autograd.grad(loss, h)
    assert gradient.flatten().tolist() == pytest.approx([-q[0] / (5e-9 + 1e-8), -q[1] / (1 - 5e-9)], rel=1e-12)


def test_one_location_is_plain_cross_entropy() -> None:
    g, labels = drawn()[0][:, :, :1, :1], drawn()[2]
    h = torch.ones(3, 1, 1, dtype=torch.float64)
    expected = torch.nn.functional.cross_entropy(g[:, :, 0, 0], labels)
    assert float(calm_ml_loss(g, h, labels)) == pytest.approx(float(expected), rel=1e-12)
    assert float(calm_em_loss(g, h, labels)) == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("activation", ["relu", "softplus"])
@pytest.mark.parametrize("attached", [False, True])
def test_both_losses_have_one_gradient(activation, attached: bool) -> None:
    torch.manual_seed(0)
    head = CalmHead(6, 4, activation, attached).double()
    features, labels = torch.randn(3, 6, 4, 4, dtype=torch.float64, requires_grad=True), torch.tensor([0, 3, 1])
    gradients = []
    for loss in (calm_ml_loss, calm_em_loss):
        latent = head.latent(head.classes(features), head.location(features))
        value = loss(latent[:, :-1], latent[:, -1], labels)
        gradients.append(torch.autograd.grad(value, [features, *head.parameters()]))
    for ml, em in zip(*gradients, strict=True):
        assert torch.allclose(ml, em, rtol=1e-6, atol=1e-9)
    assert all(float(g.abs().max()) > 1e-4 for g in gradients[0])


def test_shapes_that_do_not_fit() -> None:
    g, h, labels = drawn()
    with pytest.raises(UsageError, match=r"scores \(N,C,h,w\) and N labels"):
        calm_ml_loss(g, h, labels[:2])
