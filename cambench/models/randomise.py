"""A network whose layers are as if nobody had trained them, for as long as somebody looks."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from cambench import seeds
from cambench.vocabulary import UsageError

Layer = tuple[str, ...]
"""The names of a layer's modules: that with the weights, and the normalisations and scales behind it."""


def layers(model: nn.Module) -> list[Layer]:
    """The layers with weights of their own, in the order in which the network names them, from the input to the output.

    A module whose own weights are all vectors (a normalisation, a scale) belongs to the layer before it. Raises: UsageError
    for a network without weights.
    """
    made: list[Layer] = []
    for name, module in model.named_modules():
        own = [*module.parameters(recurse=False)]
        if own and made and all(weight.ndim < 2 for weight in own):
            made[-1] = (*made[-1], name)
        elif own:
            made.append((name,))
    if not made:
        raise UsageError("randomisation: expected a network with weights, got one without.")
    return made


def blocks(model: nn.Module, count: int) -> list[Layer]:
    """The layers in `count` blocks of equally many, up to one, the output's first; fewer where there are fewer layers."""
    every = layers(model)[::-1]
    count = min(count, len(every))
    ends = [len(every) * i // count for i in range(count + 1)]
    parts = (every[start:stop] for start, stop in zip(ends, ends[1:], strict=False))
    return [tuple(name for layer in part for name in layer) for part in parts]


@contextmanager
def randomised(model: nn.Module, names: Sequence[str]) -> Iterator[None]:
    """The modules of these names with new weights inside `with`; what they held is put back, whatever happens."""
    own = {name: own_tensors(model.get_submodule(name)) for name in names}
    kept = {name: {key: tensor.clone() for key, tensor in tensors.items()} for name, tensors in own.items()}
    try:
        for name, tensors in own.items():
            assign(tensors, fresh(model.get_submodule(name), name))
        yield
    finally:
        for name, tensors in own.items():
            assign(tensors, kept[name])


def own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """A module's own parameters and buffers, not those of modules inside it."""
    return {**dict(module.named_parameters(recurse=False)), **dict(module.named_buffers(recurse=False))}


@torch.no_grad()
def assign(tensors: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    """Write values into tensors, in place."""
    for key, value in values.items():
        tensors[key].copy_(value)


def fresh(module: nn.Module, name: str) -> dict[str, Tensor]:
    """A module's own tensors as `reset_parameters` makes them, drawn on the CPU from a seed that follows from its name.

    Weights of a module without it (class tokens, position embeddings) are normal numbers of the mean and the deviation that
    they have; its buffers stay.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seeds.derive("randomisation", name))
        if callable(getattr(module, "reset_parameters", None)):
            new = copy.deepcopy(module).to("cpu", torch.float32)
            new.reset_parameters()  # type: ignore[operator]
            return own_tensors(new)
        own = {key: weight.detach().cpu().float() for key, weight in module.named_parameters(recurse=False)}
        return {key: w.mean() + w.std(correction=0) * torch.randn(w.shape) for key, w in own.items()}
