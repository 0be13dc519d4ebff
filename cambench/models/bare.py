"""The end of a network without its last batch norm and its last activation, so that a convolution meets the average.

A residual block gives way to one that adds its shortcut to its last convolution; torchvision's blocks share one ReLU module
among all their ReLUs, so the forward pass is written out: the inner ones stay. Of any other network that ends convolution,
batch norm, activation, average (EfficientNet, MobileNet v2) the two give way to identities.
Source: architecture changes (ContrastiveCAM protocol §1.3).
"""

from __future__ import annotations

import copy
from typing import cast

from torch import Tensor, nn

from cambench.explainers.probing.calls import Call, calls, once
from cambench.models.cifar_resnet import BasicBlock
from cambench.models.ending import Ending, find_ending, remove, same
from cambench.models.inference import fold_pair


class BareBlock(nn.Module):
    """conv_n(relu(bn_{n−1}(conv_{n−1}(… relu(bn1(conv1 x)))))) + shortcut x, with the modules and names of `block`.

    n = 2 for a basic block, 3 for a bottleneck. (N,K,h,w) -> (N,K',h/stride,w/stride), signed.
    """

    def __init__(self, block: nn.Module, convolutions: int) -> None:
        super().__init__()
        self.convolutions = convolutions
        for name, module in block.named_children():
            if name != f"bn{convolutions}":
                self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        """x (N,K,h,w) -> (N,K',h',w')."""
        modules, inner = dict(self.named_children()), x
        for i in range(1, self.convolutions):
            inner = modules["relu"](modules[f"bn{i}"](modules[f"conv{i}"](inner)))
        shortcut = modules["downsample"](x) if "downsample" in modules else x
        return cast(Tensor, modules[f"conv{self.convolutions}"](inner) + shortcut)


def depth(block: nn.Module) -> int:
    """The number of convolutions of a residual block; 0 for anything else."""
    from torchvision.models import resnet

    if isinstance(block, (resnet.BasicBlock, BasicBlock)):
        return 2
    return 3 if isinstance(block, resnet.Bottleneck) else 0


def fold_last(network: nn.Module, convolution: str, norm: str) -> None:
    """Fold a batch norm into a convolution that goes on learning."""
    fold_pair(network, convolution, norm)
    network.get_submodule(convolution).requires_grad_(True)


def bare_end(network: nn.Module, fold: bool = False) -> bool:
    """The network's end without its last batch norm, its last activation, and dropout between average and linear layer.

    A logit then is the sum of its class map while it trains, too. fold: the batch norm's eval-mode arithmetic moves into the
    convolution before it (which gets a bias) in place of being dropped.
    """
    ending = find_ending(network)
    if ending is None:
        return False
    run = calls(network, ending.size)
    end = max(i for i, call in enumerate(run) if call.name == ending.layer)  # a shared activation: its last call
    block = next((c for c in reversed(run[: end + 1]) if depth(c.module) and c.made is run[end].made), None)
    if block is None:
        done = bare_tail(network, ending, fold)
    else:
        last, done = depth(block.module), True
        if fold:
            fold_last(block.module, f"conv{last}", f"bn{last}")
        network.set_submodule(block.name, BareBlock(block.module, last))
    remove(network, ending.between)
    return done


def bare_tail(network: nn.Module, ending: Ending, fold: bool) -> bool:
    """Identities in the place of the batch norm and the activation between the last convolution and the average.

    Where the activation also runs elsewhere in the network, each module before such a place gets a copy of it. The result is
    checked: the average must now see what the convolution (fold: the batch norm) gave before.
    """
    channels = ending.linear.in_features
    run = calls(network, ending.size, channels)
    end = max(i for i, call in enumerate(run) if call.name == ending.layer)
    leaves = [call for call in run[: end + 1] if call.is_leaf]
    if ending.rectified or len(leaves) < 3 or leaves[-1].made is not run[end].made:
        return False
    convolution, norm, activation = leaves[-3:]
    if not (isinstance(convolution.module, nn.Conv2d) and isinstance(norm.module, nn.BatchNorm2d)):
        return False
    chained = norm.given is convolution.made and activation.given is norm.made
    if not chained or [*activation.module.parameters()] or not part_from(network, run, leaves[-1]):
        return False
    expected = norm.value if fold else convolution.value
    if fold:
        fold_last(network, convolution.name, norm.name)
    remove(network, (norm.name, activation.name))
    after = find_ending(network)
    assert expected is not None
    averaged = [c.value for c in calls(network, ending.size, channels) if after is not None and c.name == after.layer]
    return bool(averaged) and averaged[-1] is not None and same(averaged[-1], expected)


def part_from(network: nn.Module, run: list[Call], last: Call) -> bool:
    """Give the modules before an activation's other calls a copy of it, in place; False where one has no such module."""
    others = [call for call in run if call.module is last.module and call is not last]
    before = [next((c for c in run if c.is_leaf and c is not call and c.made is call.given), None) for call in others]
    for call in before:
        if call is None or not once(run, call.module):
            return False
        network.set_submodule(call.name, nn.Sequential(call.module, copy.deepcopy(last.module)))
    return True


BARE_NEEDS = (
    "a ResNet whose last block is a basic block or a bottleneck, or a network that ends in a convolution, a batch norm and "
    "an activation as modules, then the average and one linear layer"
)
