"""States of a model for as long as a context lasts: without gradients of weights, in eval mode, with hooks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """No parameter requires a gradient; those that did do again on leaving, after an error too."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


@contextmanager
def evaluating(model: nn.Module, training: bool = False) -> Iterator[nn.Module]:
    """The model in eval mode (or train mode); each module's own mode is restored on leaving, after an error too."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield model if all(mode == training for _, mode in modes) else model.train(training)
    finally:
        for module, mode in modes:
            if module.training != mode:
                module.training = mode


def activate_dropout(model: nn.Module) -> None:
    """Train mode for the modules without parameters and buffers, eval mode for all others: dropout drops, statistics stay.

    The functional kind of dropout is among them, since the module that calls it has no state of its own.
    """
    for module in model.modules():
        module.training = not [*module.parameters(recurse=False), *module.buffers(recurse=False)]


@contextmanager
def hooked(hooks: dict[nn.Module, Any], *, prepend: bool = False) -> Iterator[None]:
    """Forward hooks on modules for as long as the context lasts. prepend: they run before the hooks that are there."""
    with ExitStack() as stack:
        for module, hook in hooks.items():
            stack.callback(module.register_forward_hook(hook, prepend=prepend).remove)
        yield
