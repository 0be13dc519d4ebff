"""CALM's gradient baselines against a twin that keeps every point."""

from __future__ import annotations

import pytest
import torch
from explainers.networks import images
from explainers.test_points import CLASSES, network
from reference import points as twin

from cambench.explainers.batch import explain
from cambench.explainers.control import digest

NAMES = [*(f"{kind}vanilla-gradient" for kind in ("", "integrated-", "smooth-", "variance-")), "smooth-grad-square"]


@pytest.mark.parametrize("name", NAMES)
def test_each_is_the_twin(name: str) -> None:
    net, x = network().eval(), images()
    got = explain(net, x, name, "logit", CLASSES)
    for i, t in enumerate(CLASSES.tolist()):
        expected = twin.vanilla_family(net, x[i], t, digest(x[i]))[name]
        torch.testing.assert_close(got[i], expected, rtol=1e-9, atol=1e-13)
        assert float(got[i].max()) > 0 and float(got[i].min()) >= 0


def test_a_negative_gradient_counts_and_colours_do_not_cancel() -> None:
    """S = −3·red + 3·green + 2·blue: the sum over colours is 2, the largest absolute value 3."""
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2, bias=False)).double()
    with torch.no_grad():
        net[1].weight.zero_()[0] = torch.tensor([-3.0, 3.0, 2.0]).repeat_interleave(4)
    x, t = torch.rand(1, 3, 2, 2, dtype=torch.float64), torch.tensor([0])
    assert explain(net, x, "vanilla-gradient", "logit", t).unique().tolist() == [3.0]
    assert explain(net, x, "gradient", "logit", t).unique().tolist() == [2.0]
    assert explain(net, x, "integrated-vanilla-gradient", "logit", t).unique().tolist() == pytest.approx([3 * 51 / 50])
