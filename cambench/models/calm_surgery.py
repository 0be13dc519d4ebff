"""CALM's head in the place of a global average and a linear layer, on any network that ends so."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cambench.explainers.probing.calls import calls, once
from cambench.explainers.probing.modes import activate_dropout, evaluating
from cambench.models.calm_head import Activation, CalmHead, InlineCalmHead, Negative
from cambench.models.ending import Ending, append, find_ending, remove
from cambench.models.gap import begin, family


def calm_head(network: nn.Module, activation: Activation = "relu", attached: bool = False) -> bool:
    """CALM's head in the place of the pooling module and of the linear layer; dropout between them goes with them.

    Where a function averages, the head follows the last layer, and a change of sign takes the linear layer's place.
    """
    ending = find_ending(network)
    if ending is None:
        return False
    old = ending.linear
    if ending.pool is not None:
        head = CalmHead(old.in_features, old.out_features, activation, attached)
        network.set_submodule(ending.pool, head)
        network.set_submodule(ending.head, nn.Identity())
    else:
        last = network.get_submodule(ending.layer)
        if not once(calls(network, ending.size), last):
            return False
        head = InlineCalmHead(old.in_features, old.out_features, activation, attached, ending.rectified)
        append(network, ending.layer, "calm", head)
        network.set_submodule(ending.head, Negative())
    begin(head, family(network))
    remove(network, ending.between)
    return gives_probabilities(network, ending, old.out_features)


@torch.no_grad()
def gives_probabilities(network: nn.Module, ending: Ending, classes: int) -> bool:
    """Whether the outputs (N,C) are logarithms of probabilities, with dropout active too.

    On the meta device, where nothing has a value, the answer is yes.
    """
    weight = next(network.parameters())
    if weight.is_meta:
        return True
    image = torch.zeros(2, 3, ending.size, ending.size).to(weight)
    with torch.random.fork_rng(devices=[]), evaluating(network):
        activate_dropout(network)
        logits = network(image)
    if not isinstance(logits, Tensor) or logits.shape != (2, classes):
        return False
    return bool(((logits.exp().sum(1) - 1).abs() < 1e-3).all())
