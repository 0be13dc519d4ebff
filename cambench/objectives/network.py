"""The network as an objective sees it: one call gives logits and the explained activation."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cambench.explainers.probe import Probe
from cambench.maps import widened

Terms = Generator[Tensor, None, dict[str, Tensor]]
"""The terms of a loss as they come, each a scalar with its graph; in the end the values to log."""


@dataclass(frozen=True)
class Network:
    """A model in training: the explained layer, its GAP + linear head (None for any other head), the precision.

    In `bf16` the network runs under autocast; the logits are at least float32.
    """

    model: nn.Module
    layer: str
    head: nn.Linear | None
    precision: str = "float32"

    def logits(self, image: Tensor) -> Tensor:
        """image (N,3,H,W) -> logits (N,C)."""
        with torch.autocast(image.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            logits: Tensor = self.model(image)
        return widened(logits)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """image (N,3,H,W) -> logits (N,C) and activation (N,K,h,w), both in the training graph."""
        with Probe(self.model, self.layer, trunk_graph=True, guard=self.head is None) as probe:
            logits = self.logits(image)
            return logits, probe.activation


def differentiate(terms: Terms, share: float = 1.0) -> dict[str, Tensor]:
    """Add the gradient of every term of a loss, times `share`, to the parameters; returns the whole loss and the values."""
    loss: Tensor | None = None
    while True:
        try:
            term = next(terms)
        except StopIteration as done:
            assert loss is not None, "a step yields at least one term"
            return {"loss": loss, **done.value}
        (term * share).backward()  # type: ignore[no-untyped-call]
        loss = term.detach() if loss is None else loss + term.detach()
