"""The attention of a transformer, whatever computes it: torch's module, a fused kernel, a softmax written out.

The network is not changed: torch's functions are seen as they are called, in this thread, for as long as a context lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from cambench.explainers.probing.default import zero_heads
from cambench.explainers.probing.layers import inside
from cambench.explainers.probing.layout import Layout, recognise
from cambench.explainers.probing.modes import evaluating, frozen, hooked
from cambench.explainers.probing.outputs import first_of, logits_of, with_first
from cambench.maps import widened
from cambench.vocabulary import UsageError

SOFTMAX = (functional.softmax, torch.softmax, Tensor.softmax)
MEND = "use a CAM of a layer, such as hires-cam, which reads no attention."


@dataclass(frozen=True)
class Attention:
    """The attention of one block. source: the tensor that the network goes on with, at which gradients are taken."""

    source: Tensor
    shape: torch.Size

    @property
    def probabilities(self) -> Tensor:
        """(N,heads,T,T) in at least float32, detached: a row of T keys for each of T queries, which adds up to 1."""
        return widened(self.source.detach()).reshape(self.shape)


class Attentions(TorchFunctionMode):
    """Keeps every attention that is computed inside `with`, in order. A fused one is computed in the open instead."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[Attention] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        if func is functional.multi_head_attention_forward:
            return self.of_torch(*args, **options)
        if func is functional.scaled_dot_product_attention:
            return self.fused(*args, **options)
        result = func(*args, **options)
        if func in SOFTMAX and result.ndim == 4 and options.get("dim", args[1] if len(args) > 1 else None) in (-1, 3):
            self.keep(result)
        return result

    def keep(self, source: Tensor, shape: torch.Size | None = None) -> None:
        """Keep what may be an attention."""
        self.seen.append(Attention(source, shape or source.shape))

    def of_torch(self, *args: Any, need_weights: bool = True, average_attn_weights: bool = True, **options: Any) -> Any:
        """torch's own multi-head attention, asked for its weights: a view of what its product with the values reads."""
        output, weights = functional.multi_head_attention_forward(*args, **{**options, "average_attn_weights": False})
        assert weights is not None
        self.keep(weights if weights._base is None else weights._base, weights.shape)
        return output, (weights.mean(1) if average_attn_weights else weights) if need_weights else None

    def fused(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        **options: Any,
    ) -> Tensor:
        """softmax(Q·Kᵀ·scale + mask)·V with its softmax kept: (N,heads,T,d) three times -> (N,heads,T,d)."""
        if is_causal or options.get("enable_gqa"):
            raise UsageError(f"attention: expected one that sees all tokens, each head by itself, got another; {MEND}")
        scale = options.get("scale") or query.shape[-1] ** -0.5
        scores = widened(query @ key.transpose(-2, -1)) * scale
        if attn_mask is not None:
            hidden = attn_mask.dtype == torch.bool
            scores = scores.masked_fill(~attn_mask, -torch.inf) if hidden else scores + attn_mask
        probabilities = scores.softmax(-1)
        self.keep(probabilities)
        return functional.dropout(probabilities, dropout_p).to(value.dtype) @ value


@dataclass(frozen=True)
class Tokens:
    """A transformer's blocks by name, in order; how their tokens lie over the image; what share of the logits' reading
    each token has (T,), adding up to 1: all of it the class token's, or equal ones of all that the head averages.
    """

    blocks: tuple[str, ...]
    layout: Layout
    read: Tensor


def tokens_of(network: nn.Module, image: Tensor) -> Tokens:
    """The blocks and tokens of a transformer; image (1,3,H,W), run twice in eval mode.

    Raises: UsageError for a network that is none, or whose attention does not look at all tokens (windows, merged tokens).
    """
    with torch.inference_mode(False), evaluating(network):
        image = image.clone()
        attentions, places, layouts = passes(network, image)
        check(attentions, image, network)
        blocks = tuple(block_of(i, places, layouts, network) for i in range(len(places)))
        layout, count = layouts[blocks[-1]], attentions[-1].shape[-1]
        if any(layouts[name] != layout for name in blocks) or layout.extra + layout.grid[0] * layout.grid[1] != count:
            raise UsageError(refusal(f"attention over {count} tokens that are no patches", network))
        return Tokens(blocks, layout, shares(network, image, blocks[-1]))


def passes(network: nn.Module, image: Tensor) -> tuple[list[Attention], list[str], dict[str, Layout]]:
    """One pass: each attention, the first module that ends after it, and the modules whose output is tokens."""
    places: list[str] = []
    layouts: dict[str, Layout] = {}

    def watch(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, arguments: Any, output: Any) -> None:
            places.extend([name] * (len(kept.seen) - len(places)))
            first = first_of(output)
            layout = recognise(first, module, network, image) if isinstance(first, Tensor) and first.ndim == 3 else None
            if layout is not None:
                layouts[name] = layout

        return hook

    hooks = {module: watch(name) for name, module in network.named_modules() if name}
    with torch.no_grad(), hooked(hooks), Attentions() as kept:
        network(image)
    return kept.seen, places, layouts


def check(attentions: Sequence[Attention], images: Tensor, network: nn.Module) -> None:
    """See that every attention is (N,heads,T,T) of the same T. Raises: UsageError saying what there is instead."""
    if not attentions:
        raise UsageError(refusal("none", network))
    count = attentions[-1].shape[-1]
    for shape in (attention.shape for attention in attentions):
        if shape[0] != len(images):
            raise UsageError(refusal(f"windows of {shape[-1]} tokens", network))
        if shape[2:] != (count, count):
            raise UsageError(refusal(f"{shape[2]} tokens that look at {shape[3]}", network))


def refusal(got: str, network: nn.Module) -> str:
    """The sentence for a network whose attention cannot be explained."""
    name = type(network).__name__
    return f"attention: expected blocks that attend over all tokens of the image (ViT, DeiT), got {got} in {name}; {MEND}"


def block_of(index: int, places: Sequence[str], layouts: dict[str, Layout], network: nn.Module) -> str:
    """The outermost module that gives tokens and in which an attention is the only one.

    Raises: UsageError where there is none.
    """
    others = [*places[:index], *places[index + 1 :]]
    for name in ancestors(places[index]):
        if name in layouts and not any(inside(other, name) for other in others):
            return name
    raise UsageError(refusal(f"no block of its own around {places[index]}", network))


def ancestors(name: str) -> Iterator[str]:
    """A module's name and those of the modules that it is in, the outermost first."""
    parts = name.split(".")
    return (".".join(parts[: depth + 1]) for depth in range(len(parts)))


def shares(network: nn.Module, image: Tensor, block: str) -> Tensor:
    """1/n (T,) for each of the n tokens of the last block that the logits depend on, 0 for the others. image (1,3,H,W).

    A linear layer of zeros, as the head of a fresh network may be, is replaced by noise meanwhile.
    """
    leaves: list[Tensor] = []

    def cut(module: nn.Module, arguments: Any, output: Any) -> Any:
        leaves[:] = [first_of(output).detach().clone().requires_grad_()]
        return with_first(output, leaves[0])

    with torch.enable_grad(), frozen(network), hooked({**zero_heads(network), network.get_submodule(block): cut}):
        logits = logits_of(network(image))
        weights = torch.linspace(1, 2, logits.shape[1]).to(logits)  # not equal, lest the gradient of a softmax vanish
        (gradient,) = torch.autograd.grad((logits * weights).sum(), leaves)
    read = widened(gradient)[0].any(1).to(widened(gradient).dtype)
    return read / read.sum()
