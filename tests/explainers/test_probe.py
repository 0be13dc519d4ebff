"""The probe captures what it says, and leaves a model as it found it."""

from __future__ import annotations

import pytest
import torch
from explainers.networks import build, images, state
from torch import nn

from cambench.explainers.probe import Probe, evaluating, frozen
from cambench.vocabulary import CambenchError, UsageError

HEADS = ["gap-linear", "inplace-relu", "residual", "two-layers", "max", "norm"]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("trunk_graph", [False, True])
def test_it_captures_the_layers_output_and_changes_no_logit(head: str, trunk_graph: bool) -> None:
    net, x = build(head).eval(), images()
    with torch.no_grad():
        expected_logits, expected = net(x), net.stage(net.stem(x))
    with Probe(net, "stage", trunk_graph=trunk_graph) as probe:
        logits = net(x)
        torch.testing.assert_close(probe.activation.detach(), expected, rtol=0, atol=0)
        assert probe.activation.is_leaf != trunk_graph and probe.activation.requires_grad
    torch.testing.assert_close(logits.detach(), expected_logits, rtol=0, atol=0)


def test_without_trunk_graph_only_the_head_is_differentiated() -> None:
    net, x = build(), images()
    with Probe(net, "stage") as probe:
        logits = net(x)
        nodes, seen = [logits.grad_fn], set()
        while nodes:
            node = nodes.pop()
            if node is not None and node not in seen:
                seen.add(node)
                nodes += [n for n, _ in node.next_functions]
        names = {type(node).__name__ for node in seen}
        (gradient,) = torch.autograd.grad(logits[:, 0].sum(), probe.activation)
    assert not any("Convolution" in name or "BatchNorm" in name for name in names), names
    torch.testing.assert_close(gradient, (net.fc.weight[0] / 36)[None, :, None, None].expand(3, 6, 6, 6))


def test_with_trunk_graph_gradients_reach_trunk_and_head() -> None:
    net, x = build("inplace-relu"), images()
    with Probe(net, "stage", trunk_graph=True) as probe:
        net(x)
        probe.activation.square().sum().backward()
    assert net.stem[0].weight.grad is not None and float(net.stem[0].weight.grad.abs().sum()) > 0
    assert all(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize("trunk_graph", [False, True])
def test_everything_is_restored_after_an_error(trunk_graph: bool) -> None:
    net = build()
    net.stem[1].eval()
    net.stem[0].weight.requires_grad_(False)
    before = state(net)
    with pytest.raises(RuntimeError), Probe(net, "stage", trunk_graph=trunk_graph), evaluating(net):
        net(torch.zeros(1, 7, 12, 12, dtype=torch.float64))
    assert state(net) == before
    with pytest.raises(KeyError), torch.autocast("cpu", torch.bfloat16), Probe(net, "stage", trunk_graph=trunk_graph):
        net.float()(images(dtype=torch.float32))
        raise KeyError
    net.double()
    assert state(net)[:3] == before[:3] and state(net)[5:] == before[5:]


def test_it_can_be_used_again_but_not_twice_at_once() -> None:
    net, x = build().eval(), images()
    probe = Probe(net, "stage")
    for batch in (x, x[:1]):
        with probe:
            net(batch)
            assert len(probe.activation) == len(batch)
    with probe, pytest.raises(CambenchError, match="in use already"), probe:
        pass
    with probe:
        net(x)
        net(x[:2])
        assert len(probe.activation) == 2
    assert state(net)[2] == state(build())[2]


def test_nested_probes_of_one_model_do_not_disturb_each_other() -> None:
    net, x = build().eval(), images()
    before = state(net)
    with Probe(net, "stem", trunk_graph=True) as outer, Probe(net, "stage", trunk_graph=True) as inner:
        net(x)
        assert outer.activation.shape[1] == 4 and inner.activation.shape[1] == 6
    assert state(net) == before


def test_overwriting_is_prevented_or_noticed() -> None:
    net, x = build("inplace-relu").eval(), images()
    with Probe(net, "stage") as probe:
        net(x)
        assert float(probe.activation.detach().min()) < 0
    with torch.no_grad(), Probe(net, "stage", guard=False) as probe:
        net(x)
        with pytest.raises(CambenchError, match="overwritten in place"):
            _ = probe.activation


def test_a_layer_that_runs_twice_counts_as_it_ran_last() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(self.conv(x)).mean((2, 3))

    net, x = Twice(), torch.randn(2, 3, 4, 4)
    with Probe(net, "conv") as probe:
        logits = net(x)
        (gradient,) = torch.autograd.grad(logits.sum(), probe.activation)
        torch.testing.assert_close(probe.activation.detach(), net.conv(net.conv(x)).detach())
    torch.testing.assert_close(gradient, torch.full_like(gradient, 1 / 16))


def test_a_layer_without_a_map_or_without_a_pass_is_refused() -> None:
    net, x = build(), images()
    with pytest.raises(UsageError, match=r"expected an output \(N,K,h,w\), got \(3, 5\)"), Probe(net, "fc"):
        net(x)
    with Probe(net, "stage") as probe, pytest.raises(CambenchError, match="one forward pass"):
        _ = probe.activation


def test_autocast_ends_at_the_layer_and_holds_again_for_the_next_pass() -> None:
    net, x = build(dtype=torch.float32).eval(), images(dtype=torch.float32)
    dtypes: list[tuple[str, torch.dtype]] = []
    for name in ("stage", "fc"):
        net.get_submodule(name).register_forward_hook(lambda m, i, o, n=name: dtypes.append((n, o.dtype)))
    with torch.autocast("cpu", torch.bfloat16):
        with Probe(net, "stage") as probe:
            for _ in range(2):
                assert net(x).dtype == torch.float32 and probe.activation.dtype == torch.float32
        assert torch.is_autocast_enabled("cpu")
        assert net(x).dtype == torch.bfloat16
    assert dtypes == [("stage", torch.bfloat16), ("fc", torch.float32)] * 2 + [
        ("stage", torch.bfloat16),
        ("fc", torch.bfloat16),
    ]


def test_modes_and_requires_grad_come_back_one_by_one() -> None:
    net = build()
    net.stem[1].eval()
    net.fc.bias.requires_grad_(False)
    before = state(net)
    with evaluating(net), frozen(net):
        assert not any(m.training for m in net.modules()) and not any(p.requires_grad for p in net.parameters())
    assert state(net) == before
