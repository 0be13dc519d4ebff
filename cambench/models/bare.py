"""The last block of a ResNet without its last batch norm and its last ReLU, so that a convolution meets the average.

torchvision's blocks share one ReLU module among all their ReLUs, so the forward pass is written out: the inner ones stay.
Source: ContrastiveCAM, architecture changes (spec §1.3).
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from cambench.models.cifar_resnet import BasicBlock
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


def depth(block: nn.Module) -> int | None:
    """The number of convolutions of a residual block; None for anything else."""
    from torchvision.models import resnet

    if isinstance(block, (resnet.BasicBlock, BasicBlock)):
        return 2
    return 3 if isinstance(block, resnet.Bottleneck) else None


def bare_last_block(block: nn.Module) -> nn.Module | None:
    """The block without its last batch norm and ReLU, all other modules and weights kept; None for no residual block."""
    convolutions = depth(block)
    return None if convolutions is None else BareBlock(block, convolutions)


def folded_last_block(block: nn.Module) -> nn.Module | None:
    """As `bare_last_block`, the batch norm's eval-mode arithmetic moved into the convolution before it (it gets a bias)."""
    convolutions = depth(block)
    if convolutions is None:
        return None
    convolution = f"conv{convolutions}"
    fold_pair(block, convolution, f"bn{convolutions}")
    block.get_submodule(convolution).requires_grad_(True)
    return BareBlock(block, convolutions)
