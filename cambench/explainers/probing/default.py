"""The layer that is explained where none is named, and the layers that could be."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cambench.explainers.probing.layers import find_layer, layer_names, unwrapped
from cambench.explainers.probing.layout import Layout, recognise
from cambench.explainers.probing.modes import evaluating, frozen, hooked
from cambench.explainers.probing.outputs import described, first_of, logits_of
from cambench.vocabulary import UsageError

PASSIVE = re.compile(r"(pool|pool\dd|pooling|dropout|dropout\dd|flatten|identity|droppath)$", re.IGNORECASE)
"""Class names of modules without features of their own: they are never the explained layer."""
SHOWN = 5


def default_layer(model: nn.Module, image: Tensor) -> str:
    """The last stage: the outermost of the modules that end last with a map (N,K,h,w), h·w > 1, channels last or not.

    Pooling, dropout and the like do not count. Of a network that ends in tokens it is the last norm whose patch tokens carry
    a gradient to the logits: a class token's head reads no patch above the last attention, so this is the norm before it.
    image (1,3,H,W), run in eval mode.
    Raises: UsageError if no module gives such a map.
    """
    ended = maps(model, image)
    if not ended:
        known = ", ".join(n for n in layer_names(model) if "." not in n)
        raise UsageError(
            f"expected a layer whose output is a map (N,K,h,w), found none; name one with --layer. Known: {known}."
        )
    last = next(reversed(ended))
    return last if ended[last].kind != "tokens" else last_tokens(model, image, ended)


def maps(model: nn.Module, image: Tensor) -> dict[str, Layout]:
    """The modules with a map of more than one cell, in the order in which they ended last. image (1,3,H,W)."""
    ended: dict[str, Layout] = {}
    tall: dict[nn.Module, torch.Size] = {}

    def watch(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, arguments: Any, output: Any) -> None:
            layout = recognise(output, module, model, image, tall)
            if layout is not None and layout.grid[0] * layout.grid[1] > 1:
                ended.pop(name, None)
                ended[name] = layout

        return hook

    modules = {n: m for n, m in unwrapped(model).named_modules() if n and not PASSIVE.search(type(m).__name__)}
    with evaluating(model), torch.no_grad(), hooked({m: watch(n) for n, m in modules.items()}):
        model(image)
    return ended


def last_tokens(model: nn.Module, image: Tensor, ended: dict[str, Layout]) -> str:
    """The last norm of tokens (the last module of tokens where nothing norms them) whose patch tokens carry a gradient."""
    network = unwrapped(model)
    names = [name for name, layout in ended.items() if layout.kind == "tokens"]
    norms = [name for name in names if type(network.get_submodule(name)).__name__.endswith("Norm")] or names
    carried = carrying(model, image, {name: ended[name] for name in norms})
    return (carried or norms)[-1]  # a forward pass without gradients: asking for one raises


def carrying(model: nn.Module, image: Tensor, ended: dict[str, Layout]) -> list[str]:
    """Those of the modules whose map carries a gradient to the logits, in their order. image (1,3,H,W).

    A linear layer of zeros, as the head of a fresh network may be, is replaced by noise meanwhile.
    """
    network = unwrapped(model)
    outputs: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[..., Tensor]:
        def hook(module: nn.Module, arguments: Any, output: Tensor) -> Tensor:
            outputs[name] = output
            return output.clone()

        return hook

    hooks = {**zero_heads(network), **{network.get_submodule(name): watch(name) for name in ended}}
    leaf = image.detach().clone().requires_grad_()
    with torch.inference_mode(False), torch.enable_grad(), evaluating(model), frozen(model), hooked(hooks):
        logits = logits_of(model(leaf))
        graphs = {name: output for name, output in outputs.items() if output.requires_grad and logits.requires_grad}
        weights = torch.linspace(1, 2, logits.shape[1]).to(logits)  # not equal, lest the gradient of a softmax vanish
        gradients = torch.autograd.grad((logits * weights).sum(), [*graphs.values()], allow_unused=True) if graphs else ()
    given = {name: gradient for name, gradient in zip(graphs, gradients, strict=True) if gradient is not None}
    return [name for name in ended if name in given and bool(ended[name].to_map(given[name]).any())]


def zero_heads(network: nn.Module) -> dict[nn.Module, Any]:
    """A hook of noise for each linear layer of zeros, as the head of a fresh network may be."""
    zeros = [m for m in network.modules() if isinstance(m, nn.Linear) and not bool(m.weight.any())]
    return dict.fromkeys(zeros, noisy)


def noisy(module: nn.Linear, arguments: tuple[Tensor], output: Tensor) -> Tensor:
    """The output of a linear layer with weights of noise in place of its own."""
    noise = torch.randn(module.weight.shape, generator=torch.Generator().manual_seed(0))
    return functional.linear(arguments[0], noise.to(module.weight))


def map_layers(model: nn.Module, image: Tensor) -> list[str]:
    """A few layers that can be explained, the default first. image (1,3,H,W)."""
    ended = maps(model, image)
    if not ended:
        return []
    names = carrying(model, image, ended) or [*ended]
    outer = sorted(names, key=lambda name: (name.count("."), -names.index(name)))  # the last of the outermost first
    return list(dict.fromkeys([default_layer(model, image), *outer]))[:SHOWN]


def check_layer(model: nn.Module, layer: str, image: Tensor) -> None:
    """Check that a layer which a command names can be explained. image (1,3,H,W), run once or twice.

    Raises: UsageError, naming layers that can be explained, for an unknown layer, one without a map, and tokens of which the
    logits read no patch.
    """
    module, passes = find_layer(model, layer), []

    def watch(watched: nn.Module, arguments: Any, output: Any) -> None:
        first = first_of(output)
        passes.append((recognise(first, module, model, image), first))

    with evaluating(model), torch.no_grad(), hooked({module: watch}):
        model(image)
    layout, output = passes[-1] if passes else (None, None)
    if layout is None:
        got = f"got {described(output)}, no map" if passes else "but it takes no part in the forward pass"
    elif layout.extra and isinstance(output, Tensor) and not carrying(model, image, {layer: layout}):
        got = "but the logits depend on none of its patch tokens (the class token alone is read above it)"
    else:
        return
    others = ", ".join(map_layers(model, image)) or "none"
    raise UsageError(
        f"layer {layer}: expected a map (N,K,h,w), {got}; layers of this network that can be explained: {others}."
    )
