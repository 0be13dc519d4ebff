"""Explainers of a vision transformer by its attention A (N,heads,T,T): a row of T keys for each of T tokens that look.

Tokens are mixed over the blocks 1 … L, and what the tokens that the logits read (the class token; with a distillation token
both; all patches where the head averages them) have of each patch is the map (N,h,w), raw, on the grid of the patches. Class
and other tokens of no place are left out of the map. Where several tokens are read their mean is taken, which is our choice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from cambench.explainers.entry import Prepared
from cambench.explainers.gradients import all_differentiated
from cambench.explainers.probing.attention import Attention, Attentions, Tokens, check, tokens_of
from cambench.explainers.probing.layers import unwrapped
from cambench.explainers.probing.modes import frozen, hooked
from cambench.explainers.probing.outputs import first_of, logits_of, with_first
from cambench.maps import widened
from cambench.vocabulary import UsageError

Graph = Literal["none", "whole", "blocks"]


class Transformer(Prepared):
    """A vision transformer whose attention is kept: called with images (N,3,H,W) it gives logits (N,C).

    graph: what gradients go through. none: no graph. whole: from the logits down to every attention. blocks: each block by
    itself, and `scores` (L,N,C) are what the network's head says of the mean token of each block's output.
    """

    def __init__(self, network: nn.Module, tokens: Tokens, graph: Graph) -> None:
        self.network, self.tokens, self.graph = network, tokens, graph
        self.attention: list[Attention] = []
        self.scores = torch.empty(0)

    def __call__(self, images: Tensor) -> Tensor:
        """images (N,3,H,W) -> logits (N,C), of the whole network. Raises: UsageError for images of another grid."""
        self.attention, self.scores = [], torch.empty(0)  # what is left of the last batch
        leaf = (images.clone() if images.is_inference() else images.detach()).requires_grad_(self.graph != "none")
        graph = torch.set_grad_enabled(self.graph != "none")
        with graph, frozen(self.network), hooked(self.read_every_block()), Attentions() as kept:
            logits = logits_of(self.network(leaf))
        self.attention = kept.seen
        check(self.attention, images, self.network)
        count = self.attention[-1].shape[-1]
        if count != len(self.tokens.read):
            raise UsageError(f"attention: expected {len(self.tokens.read)} tokens an image, as prepared, got {count}.")
        shape = (len(self.tokens.blocks), len(images), -1)
        self.scores = logits[len(images) :].reshape(shape) if self.graph == "blocks" else logits
        return logits[: len(images)]

    def read_every_block(self) -> dict[nn.Module, Callable[..., Any]]:
        """Hooks that cut each block's graph off those below, and hand the head more than the last block's output (N,T,K).

        Behind it stand, for each block, N images whose tokens all are the mean of the tokens that left it.
        """
        outputs: list[Tensor] = []

        def hook(module: nn.Module, arguments: Any, output: Any) -> Any:
            outputs.append(first_of(output))
            if len(outputs) < len(self.tokens.blocks):
                return with_first(output, outputs[-1].detach().requires_grad_())
            means = [tokens.mean(1, keepdim=True).expand_as(tokens) for tokens in outputs]
            return with_first(output, torch.cat([outputs[-1], *means]))

        blocks = self.tokens.blocks if self.graph == "blocks" else ()
        return {self.network.get_submodule(name): hook for name in blocks}

    def gradients(self, v: Tensor) -> list[Tensor]:
        """∂S/∂A (N,heads,T,T) of every block, S = Σ_c v_c·y_c; of `blocks` each of its own block's score. v (N,C)."""
        score = (v * widened(self.scores)).sum()
        gradients = all_differentiated(score, [a.source for a in self.attention], "attention")
        return [widened(g).reshape(a.shape) for g, a in zip(gradients, self.attention, strict=True)]

    def read(self, mixed: Tensor) -> Tensor:
        """The map (N,h,w) in what tokens have of each other, rows of T keys (N,T,T): the mean row of those that are read."""
        return self.placed(self.tokens.read.to(mixed) @ mixed)

    def placed(self, values: Tensor) -> Tensor:
        """A value a token (N,T) as a map (N,h,w), without the tokens of no place."""
        return self.tokens.layout.to_map(values[:, :, None])[:, 0]


def transformer(model: nn.Module, layer: str | None, size: int, images: Tensor, *, graph: Graph) -> Transformer:
    """A network made ready for a rule; its blocks and tokens are found out on the first image. Raises: as `tokens_of`."""
    network = unwrapped(model)
    return Transformer(network, tokens_of(network, images[:1]), graph)


POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda attention: attention.mean(1),
    "max": lambda attention: attention.amax(1),
    "min": lambda attention: attention.amin(1),
}
"""Over the heads: (N,heads,T,T) -> (N,T,T)."""


def attention_rollout(network: Transformer, v: Tensor, *, heads: str = "mean") -> Tensor:
    """R = Â_L ⋯ Â_2·Â_1, Â_l = (½·A_l + ½·I) over its rows' sums, A_l the mean over the heads; no class has a part in it.

    Source: Abnar & Zuidema 2020, eq. 1. heads max or min: over them in place of the mean. v is not used.
    """
    rolled = identity(network)
    for attention in network.attention:
        mixed = POOLS[heads](attention.probabilities) + identity(network)
        rolled = mixed / mixed.sum(-1, keepdim=True) @ rolled
    return network.read(rolled)


def generic_attention(network: Transformer, v: Tensor) -> Tensor:
    """R ← R + Ā_l·R from R = I over the blocks, Ā_l = mean over heads of max(0, ∂S/∂A_l ⊙ A_l).

    Source: Chefer et al. 2021, Generic Attention-model Explainability, eq. 5–6 (self-attention). v (N,C) of S = Σ_c v_c·y_c.
    """
    relevance = identity(network)
    for attention, gradient in zip(network.attention, network.gradients(v), strict=True):
        relevance = relevance + (gradient * attention.probabilities).clamp(min=0).mean(1) @ relevance
    return network.read(relevance)


def legrad(network: Transformer, v: Tensor) -> Tensor:
    """E = 1/L·Σ_l mean over heads and rows of max(0, ∂S_l/∂A_l), S_l = Σ_c v_c·y_c with y = head(z̄_l).

    z̄_l is the mean of all tokens that leave block l, in the place of the class token (as in the authors' code; torchcam
    does the same). Source: Bousselham et al. 2024, LeGrad, §3, before its min-max. v (N,C) is that of the network's own
    logits; all blocks count, the authors' code takes a number of the last ones.
    """
    gradients = network.gradients(v)
    return network.placed(torch.stack([gradient.clamp(min=0).mean((1, 2)) for gradient in gradients]).mean(0))


def identity(network: Transformer) -> Tensor:
    """I (T,T), in the type and on the device of the attention."""
    attention = network.attention[-1].probabilities
    return torch.eye(attention.shape[-1]).to(attention)
