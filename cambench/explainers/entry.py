"""What an explainer's entry says. Nothing here imports torch: functions are named by their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal, get_args

from cambench.functions import Function
from cambench.options import Entry

if TYPE_CHECKING:
    from torch import Tensor

Space = Literal[
    "layer",
    "score",
    "head",
    "input",
    "input-and-layer",
    "biases",
    "masked",
    "search",
    "control",
    "network",
    "latent",
    "attention",
]
PREPARED: tuple[Space, ...] = ("network", "attention")
"""The spaces whose rules are handed a network made ready for them."""


class Prepared:
    """What an explainer makes of a network before it is run: called with images (N,3,H,W) it gives logits (N,C)."""

    def __call__(self, images: Tensor) -> Tensor:
        """Run the network, and keep what the rule reads."""
        raise NotImplementedError


@dataclass(frozen=True)
class Layer:
    """How the explained layer is found and made ready."""

    own: Callable[..., str] | None = None
    """model -> the layer explained by default, where it is not the last convolutional stage."""
    prepare: Callable[..., Prepared] | None = None
    """(model, layer, training size, images) -> what gives logits and is handed to the rule, in the spaces of `PREPARED`."""


@dataclass(frozen=True)
class Around:
    """Where else than at the images the gradient of the input is taken."""

    points: Callable[..., Any]
    """images (N,3,H,W) -> as many images at each point."""
    pool: Callable[..., Tensor] = Function("cambench.explainers.points:mean")
    """The maps of all points -> one map."""


@dataclass(frozen=True)
class Hiding:
    """What is hidden of the images, in the space `masked`."""

    masks: Callable[..., Any]
    """images (N,3,H,W), and where `layer` its activation (N,K,h,w) -> the masks of every image (`masks.Masks`)."""
    layer: bool = False
    """Whether the masks are made of a layer's activation."""


@dataclass(frozen=True)
class Explainer(Entry):
    """One explainer: a rule that gives maps (N,h,w), raw and signed, at their native grid."""

    rule: Callable[..., Tensor]
    space: Space
    """What the rule is made of: see `explanation.SPACES`."""
    unit: str = "logits"
    closed: Literal["sum", "mean", "channel-mean"] | None = None
    """How a rule of a layer weighs activations by the weights W of a GAP + linear head: by W, W/(h·w) or W/(K·h·w)."""
    target: str = "logit"
    """The target that it explains where the target is logit, which then is the only one that it takes."""
    head: bool = True
    """False: class c is channel c of the layer, pooled, as if the network ended there (CGC protocol §5.3)."""
    linear: bool = True
    """Of a rule of a head: whether its maps of weighted classes are those of the weighted head."""
    partial: bool = False
    """An image may have no map (NaN, or nothing positive): metrics of maps leave it out and count it."""
    class_specific: bool = True
    """Whether its map is that of a class; False refuses every target but `logit`."""
    layer: Layer = Layer()
    around: Around | None = None
    hiding: Hiding | None = None
    relu: Callable[..., Tensor] | None = None
    """(whether a ReLU was open, gradient of its output) -> gradient of its input, in the place of its own derivative."""

    @property
    def at_layer(self) -> bool:
        """Whether it looks at a layer, which a command may name."""
        return self.space not in ("input", "biases", "search", "attention") and (self.hiding is None or self.hiding.layer)

    def facts(self) -> Iterator[tuple[bool, str]]:
        """As `Entry.facts`; a rule that is named by its place is not imported for it."""
        yield self.space in get_args(Space), f"space {', '.join(get_args(Space))}, got {self.space}"
        prepared = self.layer.prepare is not None
        yield prepared == (self.space in PREPARED), f"layer.prepare in the space {' and '.join(PREPARED)}, got {self.space}"
        of_pixels = self.space == "input-and-layer" or (self.space == "input" and self.around is None)
        yield self.relu is None or of_pixels, f"ReLUs of its own in a gradient at the images alone, got {self.space}"
        yield self.around is None or self.space == "input", f"points around the image in the space input, got {self.space}"
        hides = self.hiding is not None
        yield hides == (self.space == "masked"), f"something hidden in the space masked alone, got {self.space}"
        yield self.closed is None or self.space == "layer", f"a closed form in the space layer, got {self.space}"
        if not isinstance(self.rule, Function):
            taken = [p for p in signature(self.rule).parameters.values() if p.kind is not p.KEYWORD_ONLY]
            count = 3 if self.space in ("head", "masked") else 2
            yield len(taken) == count, f"a rule of {count} arguments in the space {self.space}, got {len(taken)}"
