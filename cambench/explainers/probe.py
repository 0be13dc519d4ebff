"""The probe: the only hooks in the program, and the only thing with state. It leaves a model as it found it."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from cambench.explainers.probing.default import check_layer, default_layer, map_layers
from cambench.explainers.probing.layers import each_of, find_layer, layer_names
from cambench.explainers.probing.layout import Layout, recognise
from cambench.explainers.probing.modes import activate_dropout, evaluating, frozen, hooked
from cambench.explainers.probing.outputs import described, first_of, logits_of, two_classes, with_first
from cambench.maps import widened
from cambench.vocabulary import CambenchError, UsageError

__all__ = ["Probe", "check_layer", "default_layer", "evaluating", "find_layer", "frozen", "gap_linear_head", "layer_names"]


class Probe:
    """Captures the activation (N,K,h,w) of one layer in the forward passes made inside `with`.

    Channels-last outputs and tokens become such a map too (`layout`), and gradients flow back through it; class tokens and
    the like are left out of the map and stay in what the rest of the model gets. Of a tuple the first entry counts.
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
        self.arranged: Layout | None = None
        self.images: Tensor | None = None
        self.looking = False
        self.stack: ExitStack | None = None
        self.autocast: tuple[str, bool] | None = None
        self.head = ExitStack()

    def __enter__(self) -> Self:
        if self.stack is not None:
            raise CambenchError("this probe is in use already; make a new Probe.")
        self.stack = ExitStack()
        if not self.trunk_graph:
            self.stack.enter_context(frozen(self.model))
        self.stack.callback(self.model.register_forward_pre_hook(self.see).remove)
        self.stack.callback(self.module.register_forward_hook(self.capture).remove)
        self.stack.callback(self.model.register_forward_hook(self.resume_autocast, always_call=True).remove)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self.stack is not None
        self.stack.close()
        self.resume_autocast()
        self.stack = self.captured = self.images = None

    @property
    def activation(self) -> Tensor:
        """The layer's output in the last forward pass. Raises: CambenchError if there is none or it was overwritten."""
        if self.captured is None:
            raise CambenchError(f"layer {self.layer}: expected one forward pass through it inside the probe, got none.")
        if self.captured._version != self.version:
            raise CambenchError(f"layer {self.layer}: its output was overwritten in place; use Probe(…, guard=True).")
        return self.captured

    def see(self, model: nn.Module, arguments: tuple[Any, ...]) -> None:
        """The model's hook: the images of this forward pass."""
        if not self.looking:
            self.images = arguments[0] if arguments and isinstance(arguments[0], Tensor) else None

    def capture(self, module: nn.Module, arguments: Any, output: Any) -> Any:
        """The layer's hook: keep the output as a map, hand on what the rest of the model may use."""
        if self.looking:
            return None
        first = first_of(output)
        layout = self.arranged = self.layout(first)
        activation = layout.to_map(first)
        activation = activation if self.trunk_graph else self.leaf(activation)
        self.captured, self.version = activation, activation._version
        handed_on = layout.restore(first, activation)
        if self.guard and handed_on is activation:
            handed_on = activation.clone()
        return with_first(output, handed_on)

    def layout(self, output: Any) -> Layout:
        """How the layer's output lies over the images; where that is not clear the model is asked once more.

        Raises: UsageError for an output that is no map, naming layers that have one.
        """
        self.looking = True
        try:
            layout = recognise(output, self.module, self.model, self.images)
            others = [] if layout is not None or self.images is None else map_layers(self.model, self.images[:1].detach())
        finally:
            self.looking = False
        if layout is None:
            named = f"name a layer that has one: {', '.join(others)}" if others else "name a convolutional layer"
            raise UsageError(f"layer {self.layer}: expected an output (N,K,h,w), got {described(output)}, no map; {named}.")
        return layout

    def leaf(self, output: Tensor) -> Tensor:
        """The output cut from its trunk, as the float32 leaf of the head's graph, which runs without autocast."""
        device = output.device.type
        if self.autocast is None:
            self.autocast = (device, torch.is_autocast_enabled(device))
            if self.autocast[1]:
                self.head.callback(register_module_forward_pre_hook(widen_inputs).remove)
        torch.set_autocast_enabled(device, False)
        return widened(output.detach()).requires_grad_()

    def resume_autocast(self, *ignored: Any) -> None:
        """Put autocast back as it was before the layer."""
        if self.autocast is not None:
            torch.set_autocast_enabled(*self.autocast)
            self.autocast = None
        self.head.close()


def widen_inputs(module: nn.Module, arguments: tuple[Any, ...]) -> Any:
    """A hook of every module above the layer: what comes in bf16 along another path (a shortcut) meets float32 weights."""
    return tuple(widened(a) if isinstance(a, Tensor) and a.is_floating_point() else a for a in arguments)


def gap_linear_head(model: nn.Module, layer: str, image: Tensor, *, training: bool = True) -> nn.Linear | None:
    """The linear layer of a head that is global average pooling + linear, None for any other head.

    Such a head gives y = W·mean_hw(A) + b for every A. So A is replaced by noise of both signs and y compared, which shows
    a ReLU, a norm, a second branch. With `training` an active dropout above the layer counts too (the closed form of a
    training step must hold in train mode); explanations, made in eval mode, pass `training=False`.
    image (1,3,H,W), run once or twice. The random state is left as it was. None for several layers, which have none.
    """
    if len(each_of(layer)) > 1:
        return None
    with torch.random.fork_rng(devices=[image.device] if image.is_cuda else []), evaluating(model):
        head = holds_for_noise(model, layer, image)
        if head is None or not training:
            return head
        if all(head is not module for module in model.modules()):
            return None  # the two-class head of one logit: a copy, without the graph of the weight
        activate_dropout(model)
        return holds_for_noise(model, layer, image)


@torch.no_grad()
def holds_for_noise(model: nn.Module, layer: str, image: Tensor) -> nn.Linear | None:
    """The only module with state above the layer, if it is linear and y = W·mean_hw(A) + b holds for noise A and −A."""
    noise: list[Tensor] = []
    above: list[nn.Module] = []
    explained = find_layer(model, layer)

    def replace(module: nn.Module, arguments: Any, output: Any) -> Any:
        first = first_of(output)
        layout = recognise(first, explained, model, image.expand(len(first), -1, -1, -1))
        if layout is None:
            return None
        above.clear()
        half = torch.randn(first.shape[1:], generator=torch.Generator().manual_seed(0)).to(first)
        handed_on = torch.stack([half, -half])
        noise[:] = [layout.to_map(handed_on).clone()]
        return with_first(output, handed_on)

    def record(module: nn.Module, arguments: Any, output: Any) -> None:
        above.append(module)

    inside = set(explained.modules())
    leaves = [m for m in model.modules() if m not in inside and not [*m.children()]]
    with torch.autocast(image.device.type, enabled=False), hooked({**dict.fromkeys(leaves, record), explained: replace}):
        logits = logits_of(model(image.expand(2, -1, -1, -1)))
    stateful = [m for m in above if [*m.parameters(), *m.buffers()]]
    if len(stateful) != 1 or not isinstance(stateful[0], nn.Linear) or not noise:
        return None
    head, mean = stateful[0], noise[0].mean((2, 3))
    if mean.shape[1] != head.in_features:
        return None
    if head.out_features == 1 and logits.shape[1] == 2:
        head = of_two_classes(head)
    if logits.shape != (2, head.out_features):
        return None
    expected = head(mean)
    tolerance = 1e-4 * float((expected[0] - expected[1]).abs().max())
    return head if bool(((logits - expected).abs() <= tolerance).all()) else None


def of_two_classes(head: nn.Linear) -> nn.Linear:
    """The head of one logit z as that of two classes with the logits (0, z)."""
    double: nn.Linear = nn.utils.skip_init(  # type: ignore[no-untyped-call]
        nn.Linear, head.in_features, 2, bias=head.bias is not None, device=head.weight.device
    )
    double = double.to(head.weight.dtype).requires_grad_(False)
    double.weight.copy_(two_classes(head.weight.T).T)
    if head.bias is not None:
        double.bias.copy_(two_classes(head.bias[:, None])[0])
    return double
