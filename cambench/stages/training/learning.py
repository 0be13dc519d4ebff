"""Which parts of a network learn: all of it, or what stands above a frozen trunk, and how its batch norms go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn

from cambench.explainers import probe
from cambench.models.heads import learner


@contextmanager
def learning(model: nn.Module, frozen: bool, frozen_bn: str = "eval") -> Iterator[None]:
    """The model in train mode, or frozen: all but the part that learns stays in eval mode and without gradient.

    The batch norms of a frozen trunk keep their statistics, those above it learn. On leaving, the model is in eval mode.
    frozen_bn: `train`, where those of the trunk go by the statistics of each batch meanwhile.
    """
    if not frozen:
        model.train()
        yield
    else:
        model.eval()
        with probe.frozen(model), batch_statistics(model) if frozen_bn == "train" else nullcontext():
            learner(model).train().requires_grad_(True)
            yield
    model.eval()


@contextmanager
def batch_statistics(model: nn.Module) -> Iterator[None]:
    """Batch norms that go by each batch's statistics; their own are afterwards what they were (rivals protocol §7)."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    buffers = [(buffer, buffer.clone()) for norm in norms for buffer in norm.buffers()]
    for norm in norms:
        norm.train()
    yield
    with torch.no_grad():
        for buffer, before in buffers:
            buffer.copy_(before)
