"""The rules by hand, and the differentiable map against double backward, value and gradient."""

from __future__ import annotations

import pytest
import torch
from explainers.networks import build, images
from torch import Tensor

from cambench.explainers.cam import cam, weighted_sums
from cambench.explainers.gradient_cam import differentiable_cam, grad_cam, hires_cam
from cambench.explainers.probe import Probe
from cambench.vocabulary import UsageError

A = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[0.0, -1.0], [1.0, 0.0]]]])
G = torch.tensor([[[[1.0, 0.0], [0.0, 3.0]], [[2.0, 2.0], [2.0, 2.0]]]])


def test_rules_by_hand() -> None:
    assert grad_cam(A, G).tolist() == [[[1.0, 0.0], [5.0, 4.0]]]  # means 1 and 2
    assert hires_cam(A, G).tolist() == [[[1.0, -2.0], [2.0, 12.0]]]
    flat = torch.tensor([0.25, -0.5])[None, :, None, None].expand(1, 2, 2, 2)
    assert cam(A, flat).tolist() == [[[1.0, 4.0], [1.0, 4.0]]]  # weights 1 and −2


def test_rules_accept_a_gradient_that_is_constant_over_space() -> None:
    g = torch.tensor([0.25, -0.5])[None, :, None, None]
    for rule in (cam, grad_cam, hires_cam):
        assert torch.equal(rule(A, g), rule(A, g.expand_as(A)))
    assert torch.equal(cam(A, g), 4 * grad_cam(A, g)) and torch.equal(grad_cam(A, g), hires_cam(A, g))


def test_cam_refuses_a_gradient_that_varies() -> None:
    with pytest.raises(UsageError, match="cam needs a head of global average pooling"):
        cam(A, G)


def test_weighted_sums_of_one_and_of_many_weights() -> None:
    weights = torch.tensor([[1.0, 0.0], [0.5, -1.0], [0.0, 2.0]])
    expected = torch.einsum("mk,nkhw->nmhw", weights, A)
    assert torch.equal(weighted_sums(A, weights), expected)
    assert torch.equal(weighted_sums(A, weights[None]), expected)
    assert torch.equal(weighted_sums(A.to(memory_format=torch.channels_last), weights), expected)


def double_backward(activation: Tensor, logits: Tensor, classes: Tensor) -> Tensor:
    """M of CGC protocol §1.1 before its ReLU, image by image, with a graph."""
    rows = []
    for i, t in enumerate(classes.tolist()):
        (gradient,) = torch.autograd.grad(logits[i, t], activation, create_graph=True)
        rows.append(sum(gradient[i, k] * activation[i, k] for k in range(activation.shape[1])))
    return torch.stack(rows)


def value_and_gradients(head: str, closed: bool | None) -> tuple[Tensor, list[Tensor]]:
    """The map of the predicted class in train mode, and the gradients of a loss on it; closed None asks the twin."""
    net, x = build(head), images(4)
    with Probe(net, "stage", trunk_graph=True) as probe:
        logits = net(x)
        classes, activation = logits.argmax(1), probe.activation
        if closed is None:
            maps = double_backward(activation, logits, classes)
        else:
            maps = differentiable_cam(activation, logits, classes, net.fc if closed else None)
        weights = torch.randn(maps.shape, generator=torch.Generator().manual_seed(5), dtype=maps.dtype)
        loss = (torch.relu(maps) * weights).sum() + maps.square().sum()
        loss.backward()
    return maps.detach(), [p.grad for p in net.parameters() if p.grad is not None]


HEADS = [("gap-linear", True), ("gap-linear", False), ("two-layers", False), ("inplace-relu", False)]


@pytest.mark.parametrize(("head", "closed"), HEADS)
def test_differentiable_map_is_double_backward(head: str, closed: bool) -> None:
    maps, gradients = value_and_gradients(head, closed)
    expected, expected_gradients = value_and_gradients(head, None)
    torch.testing.assert_close(maps, expected, rtol=1e-11, atol=1e-13)
    moved = [g for g in gradients if float(g.abs().sum()) > 0]
    assert len(moved) >= 5  # stem, stage and the head's weight
    for got, want in zip(moved, [g for g in expected_gradients if float(g.abs().sum()) > 0], strict=True):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-12)


def test_the_closed_form_stays_in_float32_under_autocast() -> None:
    net, x = build(dtype=torch.float32), images(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16), Probe(net, "stage", trunk_graph=True) as probe:
        logits = net(x)
        assert probe.activation.dtype == torch.bfloat16
        maps = differentiable_cam(probe.activation, logits, logits.argmax(1), net.fc)
        again = differentiable_cam(probe.activation, logits, logits.argmax(1), None)
    exact = torch.einsum("nk,nkhw->nhw", net.fc.weight[logits.argmax(1)].double(), probe_free(net, x).double()) / 36
    assert maps.dtype == again.dtype == torch.float32
    torch.testing.assert_close(maps.double(), exact, rtol=0.05, atol=0.01)
    torch.testing.assert_close(maps, again, rtol=0.02, atol=0.01)


def probe_free(net: torch.nn.Module, x: Tensor) -> Tensor:
    """The activation in train mode, under the same autocast, without a probe."""
    with torch.autocast("cpu", torch.bfloat16):
        return net.stage(net.stem(x)).detach()
