"""Extremal perturbation: its twin, its pieces, and an image whose only part that matters it must find."""

from __future__ import annotations

import pytest
import torch
from explainers.networks import build, images
from reference import extremal as twin
from torch import Tensor, nn

from cambench.explainers import find_explainer
from cambench.explainers.batch import explain, explain_batch
from cambench.explainers.extremal import area_loss, blurs, kernel, perturbed, smooth_maximum
from cambench.targets import coefficients

CLASSES = torch.tensor([4, 0])


@pytest.mark.parametrize("target", ["logit", "weighted", "probability"])
def test_it_is_its_twin(target: str) -> None:
    net, x = build("two-layers").eval(), images(2, 6)[:, :, :5]
    v = coefficients(net(x).detach(), target, CLASSES)
    got = explain(net, x, "extremal-perturbation:area=0.3,steps=5", target, CLASSES)
    for n in range(2):

        def score(one: Tensor, n: int = n) -> Tensor:
            logits = net(one[None])[0]
            return logits.softmax(0)[CLASSES[n]] if target == "probability" else (v[n] * logits).sum()

        torch.testing.assert_close(got[n], twin.extremal(x[n], score, 0.3, 5), rtol=1e-6, atol=1e-9)


def test_its_pieces_by_hand() -> None:
    mask = torch.tensor([[0.9, 0.0, 0.5, 0.2]], dtype=torch.float64)
    assert float(area_loss(mask, 0.5)) == pytest.approx((0 + 0.04 + 0.25 + 0.01) / 4)
    assert float(area_loss(torch.tensor([[1.0, 0, 0, 0]]), 0.25)) == 0
    values = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    assert 0.9999 < float(smooth_maximum(values)) < 1
    x = images(2, 9)[:, :, :7]
    pyramid = blurs(x)
    torch.testing.assert_close(pyramid[2][1], twin.blurred(x[1], 20 / 224 * 7 * 0.75))
    mask = torch.rand(2, 7, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(perturbed(pyramid, mask)[1], twin.perturbed(twin.blurs(x[1], 20 / 224 * 7), mask[1]))
    torch.testing.assert_close(perturbed(pyramid, torch.ones_like(mask)), x)
    wide = kernel(torch.zeros(1, 3, 60, 90, dtype=torch.float64))
    assert wide.shape == (56 * 84, 28 * 42)
    for row, column in ((0, 0), (0, 1), (30, 70), (55, 83)):
        place = (60 / 56 * (row + 0.5), 90 / 84 * (column + 0.5))
        torch.testing.assert_close(
            wide[84 * row + column], twin.bumps_at(place, (60, 90), (28, 42), 3.0), rtol=1e-5, atol=1e-6
        )


class Corner(nn.Module):
    """Class 0 is how much the texture of one part of the image stands out, class 1 that of another."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x[:, :, 1:7, 2:8].square().sum((1, 2, 3)), x[:, :, 8:14, 9:15].square().sum((1, 2, 3))], 1)


def test_it_finds_the_part_that_matters_and_keeps_to_the_area() -> None:
    x, classes = images(2, 16), torch.tensor([0, 1])
    maps = explain(Corner(), x, "extremal-perturbation:area=0.14,steps=150", "logit", classes)
    assert maps.shape == (2, 16, 16) and 0 <= float(maps.min()) <= float(maps.max()) <= 1
    inside = torch.stack([maps[0, 1:7, 2:8], maps[1, 8:14, 9:15]]).mean((1, 2))
    share = maps.mean((1, 2))
    assert float(inside.min()) > 0.7 and float((share - 0.14).abs().max()) < 0.05


def test_any_batch_gives_the_same_maps_and_the_network_is_left_alone() -> None:
    net, x = build(), images(3)
    before = [p.requires_grad for p in net.parameters()]
    whole = explain_batch(net, x, explainer="extremal-perturbation:steps=5")
    alone = [explain(net, one[None], "extremal-perturbation:steps=5") for one in x]
    torch.testing.assert_close(torch.cat(alone), whole.maps, rtol=1e-8, atol=1e-12)
    assert [p.requires_grad for p in net.parameters()] == before and all(p.grad is None for p in net.parameters())
    assert find_explainer("extremal-perturbation").passes == 2401 and not whole.maps.requires_grad
