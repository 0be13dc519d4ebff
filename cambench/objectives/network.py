"""The network as an objective sees it: one call gives logits and the explained activation."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from cambench.explainers.cam import weighted_sums
from cambench.explainers.probe import Probe
from cambench.maps import widened
from cambench.models.projection import project
from cambench.pixels import DEFAULT, Normalisation
from cambench.vocabulary import UsageError

Terms = Generator[Tensor, None, dict[str, Tensor]]
"""The terms of a loss one after another, each a scalar with its graph; in the end the values to log."""


@dataclass(frozen=True)
class Network:
    """A model in training: the explained layer, its GAP + linear head (None for any other head), the precision.

    normalisation: how pixels became its input.
    In `bf16` the network runs under autocast; the logits are at least float32.
    """

    model: nn.Module
    layer: str
    head: nn.Linear | None
    precision: str = "float32"
    normalisation: Normalisation = DEFAULT

    def autocast(self, image: Tensor) -> torch.autocast:
        """The precision in which the network runs on an image."""
        return torch.autocast(image.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def logits(self, image: Tensor) -> Tensor:
        """image (N,3,H,W) -> logits (N,C)."""
        with self.autocast(image):
            logits: Tensor = self.model(image)
        return widened(logits)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """image (N,3,H,W) -> logits (N,C) and activation (N,K,h,w), both in the training graph."""
        with Probe(self.model, self.layer, trunk_graph=True, guard=self.head is None) as probe:
            logits = self.logits(image)
            return logits, probe.activation

    def activations(self, image: Tensor, layers: Sequence[str]) -> tuple[Tensor, list[Tensor]]:
        """image (N,3,H,W) -> logits (N,C) and the activation (N,K,h,w) of each layer, all in the training graph.

        Nothing may overwrite an activation in place.
        """
        with ExitStack() as stack:
            probes = [stack.enter_context(Probe(self.model, name, trunk_graph=True, guard=False)) for name in layers]
            logits = self.logits(image)
            return logits, [probe.activation for probe in probes]

    def embedding(self, image: Tensor) -> Tensor:
        """image (N,3,H,W) -> the projection head's output (N,128) at unit length, in at least float32, with its graph.

        Raises: UsageError for a network without a projection head.
        """
        with self.autocast(image):
            projected = project(self.model, image)
        return normalize(widened(projected), dim=1)

    def class_maps(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """HiResCAM of every class with its graph, in closed form: CAM_c = Σ_k W[c,k]·A_k/(h·w), and the head's bias.

        Source: ContrastiveCAM protocol §1.1; first-order gradients do. image (N,3,H,W) -> (N,C,h,w) in at least
        float32, (C,).
        Raises: UsageError for a head that is not GAP + linear.
        """
        if self.head is None:
            raise UsageError(
                f"layer {self.layer}: expected global average pooling + one linear layer above it, whose class maps have a "
                "closed form, got another; name the last stage (--set model.layer=…), take dropout out (no-dropout), "
                "or train another architecture (a ResNet, say)."
            )
        _, activation = self.forward(image)
        with torch.autocast(image.device.type, enabled=False):
            area = activation.shape[2] * activation.shape[3]
            return weighted_sums(widened(activation), widened(self.head.weight) / area), self.head.bias


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
