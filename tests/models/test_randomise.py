"""Randomised layers: which there are, what they become, that they are put back whatever happens."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from cambench.models.randomise import blocks, fresh, layers, own_tensors, randomised
from cambench.vocabulary import UsageError


class Tokens(nn.Module):
    """A weight of its own, without `reset_parameters`, and layers inside."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(3 + 0.5 * torch.randn(1, 1, 400))
        self.body = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4))
        self.attention = nn.MultiheadAttention(4, 2)
        self.head = nn.Linear(4, 2, bias=False)


def convolutional() -> nn.Module:
    torch.manual_seed(5)
    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(64, 5)
    )
    net.train()(torch.randn(8, 3, 8, 8))  # batch norms have statistics of their own
    return net.double().eval()


def state(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def changed(net: nn.Module, before: dict[str, Tensor]) -> set[str]:
    """The modules that hold another tensor than before."""
    return {name.rpartition(".")[0] for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}


def test_layers_are_in_the_networks_order_with_their_normalisations() -> None:
    assert layers(convolutional()) == [("0.0", "0.1"), ("1",), ("3",)]
    assert layers(Tokens()) == [("", "body.0"), ("body.1",), ("attention",), ("attention.out_proj",), ("head",)]
    with pytest.raises(UsageError, match="expected a network with weights"):
        layers(nn.ReLU())


def test_blocks_are_from_the_output_down_and_hold_every_layer_once() -> None:
    net = nn.Sequential(*(nn.Linear(2, 2) for _ in range(7)))
    assert blocks(net, 3) == [("6", "5"), ("4", "3"), ("2", "1", "0")]
    assert blocks(net, 1) == [tuple("6543210")] and blocks(net, 7) == blocks(net, 99) == [(c,) for c in "6543210"]
    assert blocks(convolutional(), 2) == [("3",), ("1", "0.0", "0.1")]


def test_only_what_is_named_changes_and_is_put_back() -> None:
    net = convolutional()
    before = state(net)
    with randomised(net, ("0.0", "0.1")):
        assert changed(net, before) == {"0.0", "0.1"}
        assert net[0][1].running_mean.eq(0).all() and net[0][1].weight.eq(1).all()
        with randomised(net, ("3",)):
            assert changed(net, before) == {"0.0", "0.1", "3"}
        assert changed(net, before) == {"0.0", "0.1"}
    assert changed(net, before) == set()


def test_weights_are_put_back_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    net = convolutional()
    before = state(net)
    with pytest.raises(KeyboardInterrupt), randomised(net, ("0.0", "3")):
        raise KeyboardInterrupt
    assert changed(net, before) == set()

    def broken(self: nn.Linear) -> None:
        raise RuntimeError("no weights today")

    monkeypatch.setattr(nn.Linear, "reset_parameters", broken)
    with pytest.raises(RuntimeError, match="no weights today"), randomised(net, ("0.0", "3")):
        pass
    assert changed(net, before) == set()


def test_new_weights_follow_from_the_name_alone() -> None:
    net, other = convolutional(), convolutional()
    other[3].weight.data.mul_(100)
    torch.manual_seed(1)
    after = torch.rand(3)
    torch.manual_seed(1)
    with randomised(net, ("3",)), randomised(other.float(), ("3",)):
        assert torch.equal(net[3].weight.float(), other[3].weight) and not torch.equal(net[1].weight, net[3].weight[:4, :4])
    assert torch.equal(torch.rand(3), after), "the global generator is where it was"
    first, second = (fresh(nn.Linear(64, 5), name)["weight"] for name in ("a", "b"))
    assert not torch.equal(first, second) and float(first.abs().max()) <= 1 / 8


def test_weights_without_a_beginning_of_their_own_keep_mean_and_deviation() -> None:
    net = Tokens()
    net.register_buffer("count", torch.tensor(3))
    before = copy.deepcopy(net)
    with randomised(net, ("", "attention")):
        assert not torch.equal(net.token, before.token) and int(net.count) == 3
        assert float(net.token.mean()) == pytest.approx(3, abs=0.15) and float(net.token.std()) == pytest.approx(
            0.5, abs=0.1
        )
        assert torch.equal(net.head.weight, before.head.weight)
        assert not torch.equal(net.attention.in_proj_weight, before.attention.in_proj_weight)
    assert all(torch.equal(t, before.state_dict()[name]) for name, t in net.state_dict().items())
    assert set(own_tensors(net)) == {"token", "count"}
