"""One forward pass of a network as the calls of its modules: their order, and what each reads and makes.

So surgery and the optimiser's groups find stages, averages and classifiers whatever they are called.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cambench.explainers.probing.default import PASSIVE
from cambench.explainers.probing.modes import evaluating, hooked

SIZES = (64, 224)
"""The sides in pixels of the images that a network is tried with: the first that shows something decides."""

log = logging.getLogger("cambench")


@dataclass(frozen=True)
class Call:
    """One call of a module: its name, the tensors that it read and made, not copied (in place they are one and the same).

    value: a copy of what it made, kept for the maps that were asked for, since a later in-place operation may overwrite it.
    """

    name: str
    module: nn.Module
    given: Tensor
    made: Tensor
    value: Tensor | None

    @property
    def is_map(self) -> bool:
        """Whether it made a map (N,K,h,w) of more than one cell, and is no pooling, dropout or the like."""
        return side(self.made) > 1 and not PASSIVE.search(type(self.module).__name__)

    @property
    def is_leaf(self) -> bool:
        """Whether it is one step; a convolution is, whatever it pads with."""
        return isinstance(self.module, nn.Conv2d) or not [*self.module.children()]


def side(tensor: Tensor) -> int:
    """The larger side of a map (N,K,h,w), 0 of anything else."""
    return max(tensor.shape[2:]) if tensor.ndim == 4 else 0


def calls(model: nn.Module, size: int, channels: int = 0) -> list[Call]:
    """The calls of one forward pass in eval mode, in the order in which they end; that of the network itself is the last.

    size: side of the two images, which are noise. channels: of maps with this many channels a copy is kept. A network that
    does not run at that size has no calls, and the log says why. Modes, statistics and the random state stay as they were.
    """
    ended: list[Call] = []

    def watch(name: str) -> Any:
        def hook(module: nn.Module, arguments: Any, output: Any) -> None:
            given = next((a for a in arguments if isinstance(a, Tensor)), None)
            if given is not None and isinstance(output, Tensor):
                kept = output.clone() if output.ndim == 4 and output.shape[1] == channels else None
                ended.append(Call(name, module, given, output, kept))

        return hook

    weight = next(model.parameters(), torch.zeros(()))
    image = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0), device="cpu").to(weight)
    with torch.random.fork_rng(devices=[]), evaluating(model), torch.no_grad():
        try:
            with hooked({module: watch(name) for name, module in model.named_modules()}):
                model(image)
        except (RuntimeError, ValueError, AssertionError, IndexError, TypeError) as e:
            log.debug("%s does not run at %d px: %s", type(model).__name__, size, e)
            return []
    return ended


def once(run: Iterable[Call], module: nn.Module) -> bool:
    """Whether a module is called exactly once."""
    return sum(call.module is module for call in run) == 1
