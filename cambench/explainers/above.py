"""The network above a layer, as a function of the layer's map: what lies below runs no second time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cambench.explainers.probe import Probe, frozen
from cambench.explainers.probing.layers import unwrapped
from cambench.explainers.probing.modes import hooked
from cambench.explainers.probing.outputs import first_of, logits_of, with_first
from cambench.maps import widened
from cambench.vocabulary import UsageError


@dataclass
class Call:
    """What a module gave in a forward pass, a copy of it, and how often it was called."""

    output: Tensor
    copy: Tensor
    version: int
    count: int = 1

    def rows(self, rows: slice, count: int) -> Tensor:
        """The rows, or one row `count` times; memory of its own where what follows writes into it."""
        taken = spread(self.copy, rows, count)
        return taken.clone() if self.output._version != self.version else taken


class Above:
    """The logits for other maps of a probe's layer, after one forward pass that it watched.

    Beside the layer stand the modules that share a parent with it or with a module that contains it. Those that ended before
    the layer, were called once and gave one tensor of N rows give the same again; the rest of the network runs.
    """

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.path = [unwrapped(probe.model)]
        for name in probe.layer.split("."):
            self.path.append(self.path[-1].get_submodule(name))
        self.ended: dict[nn.Module, Call] = {}
        self.below: list[nn.Module] = []
        self.outputs: list[Any] = []
        self.images = torch.empty(0)

    @contextmanager
    def watching(self, images: Tensor) -> Iterator[None]:
        """Keep what ends before the layer in the forward pass of images (N,3,H,W) made inside."""

        def end(module: nn.Module, arguments: Any, output: Any) -> None:
            if self.probe.looking:
                return
            if module in self.ended:
                self.ended[module].count += 1
            elif isinstance(output, Tensor) and output.shape[:1] == images.shape[:1]:
                self.ended[module] = Call(output, widened(output.detach()).clone(), output._version)

        def end_layer(module: nn.Module, arguments: Any, output: Any) -> None:
            if not self.probe.looking:
                self.below = [*self.ended]
                self.outputs.append(with_first(output, first_of(output).detach().clone()))

        self.images = images
        beside = {child for module in self.path[:-1] for child in module.children()} - {*self.path}
        with hooked({**dict.fromkeys(beside, end), self.path[-1]: end_layer}):
            yield

    def logits(self, values: Tensor, rows: slice) -> Tensor:
        """The logits (M,C) for maps (M,K,h,w) of images[rows], which are M or one; with a graph where gradients are on.

        Tokens of no place stay as they are. Raises: UsageError where the layer runs several times in a forward pass.
        """
        if len(self.outputs) != 1:
            times = len(self.outputs)
            raise UsageError(
                f"layer {self.probe.layer}: expected a layer that runs once in a forward pass, got {times} times."
            )
        count, first = len(values), first_of(self.outputs[0])
        layout = self.probe.arranged
        assert layout is not None
        output = with_first(self.outputs[0], layout.restore(spread(first, rows, count), values.clone()))
        with ExitStack() as stack:
            stack.enter_context(frozen(self.probe.model))
            for module in self.below:
                call = self.ended[module]
                if call.count == 1:
                    stack.enter_context(giving(module, call.rows(rows, count)))
            stack.enter_context(giving(self.path[-1], output))
            return widened(logits_of(self.path[0](spread(self.images, rows, count))))


def spread(values: Tensor, rows: slice, count: int) -> Tensor:
    """values[rows], or `count` times the one row that these are, without a copy."""
    return values[rows].expand(count, *values.shape[1:])


@contextmanager
def giving(module: nn.Module, output: Any) -> Iterator[None]:
    """The module gives this whatever it is called with, for as long as the context lasts."""
    own: Callable[..., Any] | None = module.__dict__.get("forward")
    try:
        module.__dict__["forward"] = lambda *arguments, **keywords: output
        yield
    finally:
        if own is None:
            del module.__dict__["forward"]
        else:
            module.__dict__["forward"] = own
