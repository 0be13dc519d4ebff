"""The copy of a network that is fast at inference: batch norms folded into convolutions, channels last, bf16 weights."""

from __future__ import annotations

import copy
import logging
from typing import Any, Literal

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from cambench.explainers.probing.layers import each_of, inside

Precision = Literal["float32", "bf16"]
Pair = tuple[str, str]

log = logging.getLogger("cambench")


class Tracer(fx.Tracer):
    """Sees convolutions and batch norms as whole modules, also subclasses of them."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether the module is not looked into."""
        return isinstance(m, (nn.Conv2d, nn.BatchNorm2d)) or super().is_leaf_module(m, module_qualified_name)

    def create_arg(self, a: Any) -> Any:
        """A value of the graph; of an object that a network returns, its `.logits`."""
        held = None if isinstance(a, fx.Proxy) else getattr(a, "logits", None)
        return super().create_arg(held if isinstance(held, fx.Proxy) else a)


def for_inference(
    model: nn.Module, *, layer: str | None, precision: Precision = "float32", fold: bool = True, channels_last: bool = True
) -> nn.Module:
    """A copy in eval mode, without gradients of weights, that gives the same output and the same activation at `layer`.

    fold: w' = w·γ/√(σ²+ε), b' = (b − μ)·γ/√(σ²+ε) + β wherever a batch norm alone reads a convolution; the batch norm
    becomes an identity, so every module keeps its name, and hooks on `layer` see what they saw before.
    precision "bf16": the convolutions up to `layer` hold bf16 weights, which is what autocast would make of them in every
    batch; run the copy under `torch.autocast(…, torch.bfloat16)`.
    A network that cannot be traced is copied unfolded, which is logged.
    """
    fast = copy.deepcopy(model).eval().requires_grad_(False)
    fold = fold and any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    graph = trace(fast) if fold or precision == "bf16" else None
    if graph is not None and fold:
        for convolution, norm in foldable(fast, graph, layer):
            fold_pair(fast, convolution, norm)
    if graph is not None and precision == "bf16":
        for name in convolutions_up_to(fast, graph, layer):
            fast.get_submodule(name).to(torch.bfloat16)
    return fast.to(memory_format=torch.channels_last) if channels_last else fast  # type: ignore[call-overload, no-any-return]


def trace(model: nn.Module) -> fx.Graph | None:
    """The graph of the forward pass, None (and a line in the log) where it depends on the data."""
    try:
        return Tracer().trace(model)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, AttributeError, NotImplementedError, KeyError) as e:
        reason = next(iter(str(e).splitlines()), type(e).__name__)
        log.warning("%s cannot be traced, so its batch norms stay unfolded: %s", type(model).__name__, reason)
        return None


def foldable(model: nn.Module, graph: fx.Graph, layer: str | None) -> list[Pair]:
    """The names (convolution, batch norm) where the norm alone reads the convolution, both are called once, and the output
    of the explained layer stays as it is."""
    called = [str(node.target) for node in graph.nodes if node.op == "call_module"]
    pairs = []
    for node in graph.nodes:
        source = node.args[0] if node.op == "call_module" and node.args else None
        if not isinstance(source, fx.Node) or source.op != "call_module" or len(source.users) != 1:
            continue
        convolution, norm = str(source.target), str(node.target)
        once = called.count(convolution) == called.count(norm) == 1
        if once and not crosses(layer, convolution, norm) and exact(model, convolution, norm):
            pairs.append((convolution, norm))
    return pairs


def crosses(layer: str | None, convolution: str, norm: str) -> bool:
    """Whether folding would change what leaves the layer, or one of several: it is one of the two, or ends between them."""
    layers = [] if layer is None else each_of(layer)
    return any(one in (convolution, norm) or (inside(convolution, one) and not inside(norm, one)) for one in layers)


def exact(model: nn.Module, convolution: str, norm: str) -> bool:
    """Whether the two are a convolution and a batch norm with running statistics: by type or, for a subclass, by trial."""
    conv, bn = model.get_submodule(convolution), model.get_submodule(norm)
    if not isinstance(conv, nn.Conv2d) or not isinstance(bn, nn.BatchNorm2d) or bn.running_mean is None:
        return False
    if type(conv) is nn.Conv2d and type(bn) is nn.BatchNorm2d:
        return True
    trial = nn.ModuleDict({"conv": copy.deepcopy(conv), "bn": copy.deepcopy(bn)}).double()
    x = torch.randn(1, conv.in_channels, 16, 16, generator=torch.Generator().manual_seed(0)).to(conv.weight).double()
    with torch.inference_mode():
        expected = trial["bn"](trial["conv"](x))
        fold_pair(trial, "conv", "bn")
        return torch.allclose(trial["conv"](x), expected, rtol=1e-8, atol=1e-8)


def fold_pair(model: nn.Module, convolution: str, norm: str) -> None:
    """Move a batch norm's eval-mode arithmetic into the convolution before it, in float64; an identity takes its place."""
    conv, bn = model.get_submodule(convolution), model.get_submodule(norm)
    assert isinstance(conv, nn.Conv2d) and isinstance(bn, nn.BatchNorm2d)
    assert bn.running_mean is not None and bn.running_var is not None
    weight, mean, variance = conv.weight.double(), bn.running_mean.double(), bn.running_var.double()
    bias, scale, shift = (None if tensor is None else tensor.double() for tensor in (conv.bias, bn.weight, bn.bias))
    fused = fuse_conv_bn_weights(weight, bias, mean, variance, bn.eps, scale, shift)
    conv.weight, conv.bias = (nn.Parameter(tensor.to(conv.weight), requires_grad=False) for tensor in fused)
    model.set_submodule(norm, nn.Identity().train(bn.training))


def convolutions_up_to(model: nn.Module, graph: fx.Graph, layer: str | None) -> list[str]:
    """The convolutions that run no later than the end of the layer, of several the first; all where no layer is given.

    Of a layer that runs several times, say a shared activation, the first time counts: autocast may end there.
    """
    if layer is not None and len(layers := each_of(layer)) > 1:
        return min((convolutions_up_to(model, graph, one) for one in layers), key=len)
    called = [str(node.target) for node in graph.nodes if node.op == "call_module"]
    within = [i for i, name in enumerate(called) if layer is None or inside(name, layer)]
    end = called.index(layer) if layer in called else max(within, default=-1)
    trunk = called[: end + 1]
    return [name for name in dict.fromkeys(trunk) if isinstance(model.get_submodule(name), nn.Conv2d)]
