"""The probe: the only hooks in the program, and the only thing with state. It leaves a model as it found it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn

from cambench.explainers.layers import find_layer, layer_names, unwrapped
from cambench.vocabulary import CambenchError, UsageError

__all__ = ["Probe", "default_layer", "evaluating", "find_layer", "frozen", "gap_linear_head", "layer_names"]

PASSIVE = re.compile(r"(pool|pool\dd|pooling|dropout|dropout\dd|flatten|identity|droppath)$", re.IGNORECASE)
"""Class names of modules without features of their own: they are never the explained layer."""


class Probe:
    """Captures the activation (N,K,h,w) of one layer in the forward passes made inside `with`.

    `trunk_graph=False`: parameters require no gradient inside, so the trunk runs without a graph; the activation is a
    float32 leaf from which the head's graph grows in the same forward pass, and an autocast ends at the layer.
    `trunk_graph=True`: nothing is detached; the activation is part of the training graph.
    `guard`: hand the model a copy of the activation, since a later in-place operation (a ReLU, a residual sum) would
    overwrite what was captured. Without it such an overwriting raises.

    Where the layer runs several times in a forward pass, the last time counts. Hooks, `requires_grad` and the state of
    autocast are restored on leaving, after an error too. The mode (train, eval) is never touched.
    """

    def __init__(self, model: nn.Module, layer: str, *, trunk_graph: bool = False, guard: bool = True) -> None:
        self.model, self.layer, self.trunk_graph, self.guard = model, layer, trunk_graph, guard
        self.module = find_layer(model, layer)
        self.captured: Tensor | None = None
        self.version = 0
        self.stack: ExitStack | None = None
        self.autocast: tuple[str, bool] | None = None

    def __enter__(self) -> Self:
        if self.stack is not None:
            raise CambenchError("this probe is in use already; make a new Probe.")
        self.stack = ExitStack()
        if not self.trunk_graph:
            self.stack.enter_context(frozen(self.model))
        self.stack.callback(self.module.register_forward_hook(self.capture).remove)
        self.stack.callback(self.model.register_forward_hook(self.resume_autocast, always_call=True).remove)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self.stack is not None
        self.stack.close()
        self.resume_autocast()
        self.stack = self.captured = None

    @property
    def activation(self) -> Tensor:
        """The layer's output in the last forward pass. Raises: CambenchError if there is none or it was overwritten."""
        if self.captured is None:
            raise CambenchError(f"layer {self.layer}: expected one forward pass through it inside the probe, got none.")
        if self.captured._version != self.version:
            raise CambenchError(f"layer {self.layer}: its output was overwritten in place; use Probe(…, guard=True).")
        return self.captured

    def capture(self, module: nn.Module, arguments: Any, output: Any) -> Tensor:
        """The layer's hook: keep the output, hand on what the rest of the model may use."""
        if not isinstance(output, Tensor) or output.ndim != 4:
            got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise UsageError(f"layer {self.layer}: expected an output (N,K,h,w), got {got}; name a convolutional layer.")
        kept = output if self.trunk_graph else self.leaf(output)
        self.captured, self.version = kept, kept._version
        if not self.guard:
            return kept
        return kept.clone()

    def leaf(self, output: Tensor) -> Tensor:
        """The output cut from its trunk, as the float32 leaf of the head's graph, which runs without autocast."""
        device = output.device.type
        if self.autocast is None:
            self.autocast = (device, torch.is_autocast_enabled(device))
        torch.set_autocast_enabled(device, False)
        kept = output.detach()
        return (kept if kept.dtype == torch.float64 else kept.float()).requires_grad_()

    def resume_autocast(self, *ignored: Any) -> None:
        """Put autocast back as it was before the layer."""
        if self.autocast is not None:
            torch.set_autocast_enabled(*self.autocast)
            self.autocast = None


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
        yield model.train(training)
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def hooked(hooks: dict[nn.Module, Any]) -> Iterator[None]:
    """Forward hooks on modules for as long as the context lasts."""
    with ExitStack() as stack:
        for module, hook in hooks.items():
            stack.callback(module.register_forward_hook(hook).remove)
        yield


def default_layer(model: nn.Module, image: Tensor) -> str:
    """The last convolutional stage: the outermost of the modules that end last with a map (N,K,h,w), h·w > 1.

    Pooling, dropout and the like do not count. image (1,3,H,W), run once in eval mode.
    Raises: UsageError if no module gives such a map.
    """
    ended: list[str] = []

    def watch(name: str) -> Any:
        def hook(module: nn.Module, arguments: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
                ended.append(name)

        return hook

    modules = {n: m for n, m in unwrapped(model).named_modules() if n and not PASSIVE.search(type(m).__name__)}
    with evaluating(model), torch.no_grad(), hooked({m: watch(n) for n, m in modules.items()}):
        model(image)
    if not ended:
        known = ", ".join(n for n in layer_names(model) if "." not in n)
        raise UsageError(
            f"expected a layer whose output is a map (N,K,h,w), found none; name one with --layer. Known: {known}."
        )
    return ended[-1]


def gap_linear_head(model: nn.Module, layer: str, image: Tensor, *, training: bool = True) -> nn.Linear | None:
    """The linear layer of a head that is global average pooling + linear, None for any other head.

    Such a head gives y = W·mean_hw(A) + b for every A. So A is replaced by noise of both signs and y compared: a ReLU,
    a norm, a second branch show. With `training` an active dropout above the layer counts too (the closed form of a
    training step must hold in train mode); explanations, made in eval mode, pass `training=False`.
    image (1,3,H,W), run once or twice. The random state is left as it was.
    """
    with torch.random.fork_rng(devices=[image.device] if image.is_cuda else []), evaluating(model):
        head = holds_for_noise(model, layer, image)
        if head is None or not training:
            return head
        for module in model.modules():  # dropout, also the functional kind, follows the mode of a module without state
            module.training = not [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        return holds_for_noise(model, layer, image)


@torch.no_grad()
def holds_for_noise(model: nn.Module, layer: str, image: Tensor) -> nn.Linear | None:
    """The only module with state above the layer, if it is linear and y = W·mean_hw(A) + b holds for noise A and −A."""
    noise: list[Tensor] = []
    above: list[nn.Module] = []

    def replace(module: nn.Module, arguments: Any, output: Tensor) -> Tensor:
        above.clear()
        half = torch.randn(output.shape[1:], generator=torch.Generator().manual_seed(0)).to(output)
        noise[:] = [torch.stack([half, -half])]
        return noise[0].clone()

    def record(module: nn.Module, arguments: Any, output: Any) -> None:
        above.append(module)

    explained = find_layer(model, layer)
    inside = set(explained.modules())
    leaves = [m for m in model.modules() if m not in inside and not [*m.children()]]
    with torch.autocast(image.device.type, enabled=False), hooked({**dict.fromkeys(leaves, record), explained: replace}):
        logits = model(image.expand(2, -1, -1, -1))
    stateful = [m for m in above if [*m.parameters(), *m.buffers()]]
    if len(stateful) != 1 or not isinstance(stateful[0], nn.Linear) or not isinstance(logits, Tensor) or not noise:
        return None
    head, mean = stateful[0], noise[0].mean((2, 3))
    if mean.shape[1] != head.in_features or logits.shape != (2, head.out_features):
        return None
    expected = head(mean)
    tolerance = 1e-4 * float((expected[0] - expected[1]).abs().max())
    return head if bool(((logits - expected).abs() <= tolerance).all()) else None
