"""Layers by name."""

from __future__ import annotations

import difflib

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from cambench.vocabulary import UsageError

PARALLEL = (DataParallel, DistributedDataParallel)

COMPILED = "_orig_mod"
"""What torch.compile's wrapper calls the network: its class is torch._dynamo's, which takes seconds to import."""


def unwrapped(model: nn.Module) -> nn.Module:
    """The network inside data-parallel wrappers and torch.compile's, else the network itself."""
    while (inner := model._modules.get("module" if isinstance(model, PARALLEL) else COMPILED)) is not None:
        model = inner
    return model


def each_of(layer: str) -> list[str]:
    """The layers that `LAYER+LAYER` names, or the one. Raises: UsageError where a name lacks or stands twice."""
    layers = layer.split("+")
    if not all(layers):
        raise UsageError(f"layer {layer!r}: expected LAYER or LAYER+LAYER, got an empty name; see the network's modules.")
    twice = next((one for one in layers if layers.count(one) > 1), None)
    if twice is not None:
        raise UsageError(f"layer {layer}: expected layers that differ, got {twice} twice; name it once.")
    return layers


def layer_names(model: nn.Module) -> list[str]:
    """Every module's name, as `--layer` accepts it, in the order of definition."""
    return [name for name, _ in unwrapped(model).named_modules() if name]


def in_order(model: nn.Module, layer: str) -> list[str]:
    """The layers that `LAYER+LAYER` names, as the network has them one after another, however they are named.

    Raises: as `each_of` and `find_layer`.
    """
    layers = each_of(layer)
    for one in layers:
        find_layer(model, one)
    return sorted(layers, key=layer_names(model).index)


def inside(name: str, module: str) -> bool:
    """Whether a name is a module's or that of one of its parts; everything is inside the network itself."""
    return module in ("", name) or name.startswith(f"{module}.")


def find_layer(model: nn.Module, name: str) -> nn.Module:
    """The module called `name`.

    Raises: UsageError naming the nearest layers and the outer ones.
    """
    modules: dict[str, nn.Module] = dict(unwrapped(model).named_modules())
    if name and name in modules:
        return modules[name]
    names = layer_names(model)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    outer = [n for n in names if n.count(".") < 1]
    raise UsageError(
        f"no layer {name!r} in this model.{hint} Known: {', '.join(outer)} (and {len(names) - len(outer)} inside them)."
    )
