"""Attention rollout, Chefer's generic attention and LeGrad of one image, in float64: loops over an attention in the open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Rows = Callable[[Tensor], Tensor]
"""Tokens (T,K) -> (T,K'), each row by itself; of a head -> logits (C,)."""


@dataclass(frozen=True)
class Block:
    """The parts of a pre-norm block: z + out(attention(qkv(norm z))), then z + mlp(norm z). qkv (T,3K): Q, K, V in turn."""

    first_norm: Rows
    qkv: Rows
    out: Rows
    second_norm: Rows
    mlp: Rows
    heads: int

    def attention(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """A (heads,T,T), one query and one key at a time, and the values (T,K)."""
        q, k, v = self.qkv(self.first_norm(z)).chunk(3, -1)
        count, width = len(z), q.shape[1] // self.heads
        heads = []
        for h in range(self.heads):
            own = slice(h * width, (h + 1) * width)
            scores = [[(q[i, own] * k[j, own]).sum() / width**0.5 for j in range(count)] for i in range(count)]
            rows = [torch.stack(row).exp() for row in scores]
            heads.append(torch.stack([row / row.sum() for row in rows]))
        return torch.stack(heads), v

    def after(self, z: Tensor, attention: Tensor, values: Tensor) -> Tensor:
        """The tokens after the block."""
        parts = values.chunk(self.heads, 1)
        z = z + self.out(torch.cat([attention[h] @ parts[h] for h in range(self.heads)], 1))
        return z + self.mlp(self.second_norm(z))


def run(blocks: list[Block], tokens: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Every block's attention (heads,T,T) and output (T,K), in one graph. tokens (T,K): before the first block."""
    attentions, outputs, z = [], [], tokens
    for block in blocks:
        attention, values = block.attention(z)
        z = block.after(z, attention, values)
        attentions.append(attention)
        outputs.append(z)
    return attentions, outputs


def rollout(blocks: list[Block], tokens: Tensor, heads: str = "mean") -> Tensor:
    """R (T,T): Abnar & Zuidema 2020, eq. 1."""
    pool = {"mean": lambda numbers: sum(numbers) / len(numbers), "max": max, "min": min}[heads]
    cells = range(len(tokens))
    rolled = [[float(i == j) for j in cells] for i in cells]
    for attention in run(blocks, tokens)[0]:
        mixed = [[0.5 * pool([float(a[i, j].detach()) for a in attention]) + 0.5 * (i == j) for j in cells] for i in cells]
        mixed = [[value / sum(row) for value in row] for row in mixed]
        rolled = [[sum(row[k] * rolled[k][j] for k in cells) for j in cells] for row in mixed]
    return torch.tensor(rolled, dtype=torch.float64)


def generic(blocks: list[Block], tokens: Tensor, head: Rows, v: Tensor) -> Tensor:
    """R (T,T): Chefer et al. 2021, eq. 5–6, one backward pass a block."""
    relevance = torch.eye(len(tokens), dtype=torch.float64)
    for at, block in enumerate(blocks):
        attentions, outputs = run(blocks, tokens)
        (gradient,) = torch.autograd.grad((v * head(outputs[-1])).sum(), attentions[at])
        average = torch.zeros_like(relevance)
        for h in range(block.heads):
            for i in range(len(tokens)):
                for j in range(len(tokens)):
                    average[i, j] += max(0.0, float(gradient[h, i, j] * attentions[at][h, i, j].detach())) / block.heads
        relevance = relevance + average @ relevance
    return relevance


def legrad(blocks: list[Block], tokens: Tensor, head: Rows, v: Tensor) -> Tensor:
    """E (T,): Bousselham et al. 2024, LeGrad; a block's score is what the head says of its mean token."""
    values = torch.zeros(len(tokens), dtype=torch.float64)
    for at in range(len(blocks)):
        attentions, outputs = run(blocks, tokens)
        mean = sum(outputs[at]) / len(tokens)
        (gradient,) = torch.autograd.grad((v * head(torch.stack([mean] * len(tokens)))).sum(), attentions[at])
        for j in range(len(tokens)):
            column = [max(0.0, float(g)) for g in gradient[:, :, j].flatten()]
            values[j] += sum(column) / len(column) / len(blocks)
    return values
