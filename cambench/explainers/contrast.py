"""cMWP: contrastive marginal winning probability, also called contrastive excitation backprop.

1. The network as a convolution: its global average pool becomes a window of the size of the training grid (7×7 for a
   torchvision ResNet) with stride 1, its linear layers 1×1 convolutions, so the logits are a map y[c,u].
2. Seed: q[t,u] = softmax over u of y[t,u] for the explained class t, 0 elsewhere.
3. R⁺: excitation backprop of q from the logits to the output of the average pool. R⁻: the same with the negated weights of
   the last linear layer. R = R⁺ − R⁻ there, which sums to 0.
4. R goes on down to the explained layer; the map is Σ_k R_k, raw and signed: max(·, 0) is a map step.
Source: CGC §4, Table 4, and the authors' code (CGC protocol §2.5); Zhang et al. 2016.
Our choices: the explained layer is the last stage but one (layer3 of a torchvision ResNet, layer2 of a three-stage one), or
the last max-pool but one of a network without stages (14×14 at 224 px for a VGG). A pool that leaves several cells at the
training size (a VGG's) stays as it is: one vector of logits, q = 1. Negated are the weights of the last linear layer alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from cambench.explainers import excitation
from cambench.explainers.entry import Prepared
from cambench.explainers.excitation import Operation
from cambench.explainers.probing.layers import find_layer, unwrapped
from cambench.explainers.probing.outputs import entry
from cambench.maps import widened
from cambench.vocabulary import UsageError

KNOWN = "convolutions, batch norms, ReLUs, pools, linear layers, dropout, flattening and residual sums"


@dataclass(frozen=True)
class Step:
    """One operation above the explained layer: its node, the nodes it reads, what it computes."""

    node: fx.Node
    sources: tuple[fx.Node, ...]
    operation: Operation


class Tracer(fx.Tracer):
    """Sees the explained layer as one operation."""

    def __init__(self, layer: str) -> None:
        super().__init__()
        self.layer = layer

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether the module is not looked into."""
        return module_qualified_name == self.layer or super().is_leaf_module(m, module_qualified_name)


class Walk(fx.Interpreter, Prepared):
    """Forward passes of a model that keep the values above a layer, for relevance to walk down again.

    `window`: height and width of the average pool's window, None where it keeps its own form. Calling it with images
    (N,3,H,W) returns the model's ordinary logits (N,C); `values` then holds the map of logits and all that lies below it.
    The model must be in eval mode when the walk is made and whenever it is called.
    Raises: UsageError naming a layer that has no rule, or where there is no average pool above the explained layer.
    """

    def __init__(self, model: nn.Module, layer: str, window: tuple[int, int] | None = None) -> None:
        network = unwrapped(model)
        find_layer(network, layer)
        graph = trace(network, layer)
        super().__init__(network, graph=graph)
        self.extra_traceback = False  # an error keeps its one line
        self.layer, self.window = layer, window
        self.explained = last_call(graph, layer)
        nodes = above(graph, self.explained)
        pools = [i for i, node in enumerate(nodes) if self.averages(node)]
        if not pools:
            raise UsageError(f"cmwp: expected an average pool above layer {layer}, found none; name another with --layer.")
        self.contrast, self.top = nodes[pools[-1]], nodes[-1]
        self.below = set(nodes[: pools[-1]])
        self.steps = {node: self.step(node, after=i > pools[-1]) for i, node in enumerate(nodes)}
        self.values: dict[fx.Node, Tensor] = {}

    def __call__(self, images: Tensor) -> Tensor:
        """Run the model: images (N,3,H,W) -> logits (N,C)."""
        self.values = {}
        return cast(Tensor, self.run(images))

    def run_node(self, n: fx.Node) -> Any:
        """Compute a node's ordinary value, and above the layer the value that relevance walks on, in float32 at least."""
        if n not in self.steps:
            value = super().run_node(n)
            if any(user in self.steps for user in n.users):
                value = self.values[n] = widened(value)
            return value
        inputs = self.inputs(self.steps[n])
        with torch.autocast(inputs[0].device.type, enabled=False):
            self.values[n] = self.steps[n].operation.value(*inputs)
            return self.values[n] if n in self.below else super().run_node(n)  # below: the same, but nothing in place

    def inputs(self, step: Step) -> list[Tensor]:
        """What an operation reads."""
        return [self.values[source] for source in step.sources]

    def averages(self, node: fx.Node) -> bool:
        """Whether a node is an average pool."""
        if node.op == "call_module":
            return type(self.module.get_submodule(str(node.target))) in excitation.AVERAGES
        return node.target in excitation.AVERAGING or excitation.is_mean(node.target, node.args[1:], dict(node.kwargs))

    def step(self, node: fx.Node, *, after: bool) -> Step:
        """The operation of a node; `after`: above the average pool, where vectors are maps (N,K,p,q)."""
        module = self.module.get_submodule(str(node.target)) if node.op == "call_module" else None
        sources = tuple(argument for argument in node.args if isinstance(argument, fx.Node))
        operation = excitation.of_module(module) if module is not None else of_call(node, len(sources))
        operands = 2 if operation is excitation.SUM else 1
        if operation is None or node.args[:operands] != sources or len(node.all_input_nodes) > operands:
            what = f"layer {node.target} ({type(module).__name__})" if module is not None else f"the operation {node.name}"
            raise UsageError(f"cmwp: expected {KNOWN} above layer {self.layer}, got {what}, which has no rule.")
        if node is self.contrast and self.window is not None:
            operation = excitation.pooling(partial(slide, self.window))
        elif after and operation is excitation.FLATTEN:
            operation = excitation.CELLS if self.window is None else excitation.SAME
        elif after and isinstance(module, nn.Linear):
            operation = excitation.weighted(module, excitation.on_channels)
        return Step(node, sources, operation)

    def down(self, relevance: Tensor, start: fx.Node, end: fx.Node, *, opposite: bool = False) -> Tensor:
        """Relevance at the node `start` -> at the node `end` below it; opposite: the last layer's weights are negated."""
        relevance_at = {start: relevance}
        negated = next(n for n, s in reversed(self.steps.items()) if s.operation.opposite is not None) if opposite else None
        for node, step in reversed(self.steps.items()):
            if node is end or node not in relevance_at:
                continue
            rule = step.operation.opposite if node is negated else step.operation.down
            assert rule is not None
            parts = rule(relevance_at.pop(node), *self.inputs(step))
            for source, part in zip(step.sources, parts, strict=True):
                relevance_at[source] = relevance_at[source] + part if source in relevance_at else part
        return relevance_at[end]


def of_call(node: fx.Node, inputs: int) -> Operation | None:
    """The operation of a node that is no module, None where it has no rule."""
    if node.op not in ("call_function", "call_method"):
        return None
    return excitation.of_call(node.target, node.args[inputs:], dict(node.kwargs))


def last_call(graph: fx.Graph, layer: str) -> fx.Node:
    """The node of the explained layer; of one that runs several times, the last.

    Raises: UsageError if it takes no part.
    """
    calls: list[fx.Node] = [node for node in graph.nodes if node.op == "call_module" and node.target == layer]
    if calls:
        return calls[-1]
    raise UsageError(f"cmwp: layer {layer} takes no part in the forward pass; name another with --layer.")


def above(graph: fx.Graph, explained: fx.Node) -> list[fx.Node]:
    """The nodes between the explained layer and the output, in order, without either."""
    used: set[fx.Node] = set()
    for node in reversed(graph.nodes):
        if node.op == "output" or node in used:
            used.update(node.all_input_nodes)
    above_it = [explained]
    for node in graph.nodes:
        if node in used and any(source in above_it for source in node.all_input_nodes):
            above_it.append(node)
    return above_it[1:]


def trace(model: nn.Module, layer: str) -> fx.Graph:
    """The graph of the forward pass.

    Raises: UsageError where it depends on the data.
    """
    try:
        graph = Tracer(layer).trace(model)
        last = next(reversed(graph.nodes))
        last.args = (last.args[0] if isinstance(last.args[0], fx.Node) else entry(last.args[0]),)
        return graph
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, AttributeError, NotImplementedError, KeyError) as e:
        reason = next(iter(str(e).splitlines()), type(e).__name__)
        raise UsageError(f"cmwp: {type(model).__name__} cannot be traced ({reason}); use grad-cam here.") from e


def slide(window: tuple[int, int], x: Tensor) -> Tensor:
    """The mean of a window at every place: (N,K,h,w) -> (N,K,h−window+1,w−window+1).

    Raises: UsageError where the map is smaller than the window.
    """
    if x.shape[2] < window[0] or x.shape[3] < window[1]:
        wanted, got = f"{window[0]}×{window[1]}", f"{x.shape[2]}×{x.shape[3]}"
        raise UsageError(
            f"cmwp: expected a grid of at least {wanted} before the average pool, got {got}; use larger images."
        )
    return functional.avg_pool2d(x, window, stride=1)


def walk(model: nn.Module, layer: str, size: int, like: Tensor) -> Walk:
    """The walk of a model whose training images have `size` pixels a side; `like` gives device and type.

    The window is what the average pool sees of such an image, where it leaves one cell of it.
    """
    walked = Walk(model, layer)
    with torch.no_grad():
        walked(like.new_zeros(1, 3, size, size))
    if walked.values[walked.top].shape[1] < 2:
        raise UsageError("cmwp: expected logits of two classes or more, got one logit; use grad-cam here.")
    (grid,), pooled = walked.inputs(walked.steps[walked.contrast]), walked.values[walked.contrast]
    return Walk(model, layer, (grid.shape[2], grid.shape[3])) if pooled.numel() == grid.shape[1] else walked


def seed(walked: Walk, classes: Tensor) -> Tensor:
    """q (N,C,p,q): softmax over the cells of the class's logits, 0 for the other classes."""
    logits = walked.values[walked.top]
    rows = torch.arange(len(logits), device=logits.device)
    own = logits[rows, classes]
    return torch.zeros_like(logits).index_put((rows, classes), own.flatten(1).softmax(1).view_as(own))


def cmwp(walked: Walk, classes: Tensor, *, contrast: bool = True) -> Tensor:
    """Σ_k R_k at the explained layer: classes (N,) of the images last seen by the walk -> (N,h,w), raw and signed.

    contrast False: R⁺ goes on down, the marginal winning probability of Zhang et al. 2016. NaN where a residual sum is
    exactly 0: such an image has no map.
    """
    q, logits, pool = seed(walked, classes), walked.top, walked.contrast
    relevance = walked.down(q, logits, pool)
    if contrast:
        relevance = relevance - walked.down(q, logits, pool, opposite=True)
    return walked.down(relevance, pool, walked.explained).sum(1)


def own_layer(model: nn.Module) -> str:
    """The last stage but one: layer3 of a torchvision ResNet; without stages the last max-pool but one.

    Raises: UsageError where there is neither.
    """
    network = unwrapped(model)
    stages = [name for name, _ in network.named_children() if re.fullmatch(r"layer\d+", name)]
    pools = [name for name, module in network.named_modules() if isinstance(module, nn.MaxPool2d)]
    for names in (stages, pools):
        if len(names) > 1:
            return names[-2]
    raise UsageError(
        f"cmwp: expected stages (layer1, layer2, …) or max-pools in {type(network).__name__}; name the layer with --layer."
    )
