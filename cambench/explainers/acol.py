"""ACoL's map: where either of its two classifiers sees the class, the second with the first's part erased, as in training.

1. f^A_y, the first classifier's score of the class at each cell, and a = minmax f^A_y; the features are 0 where a ≥ θ.
2. f^B_y, the second's score of the same class on what is left.
3. s = max(minmax f^A_y, minmax f^B_y).
Source: WSOL benchmark, its code (rivals protocol §3.2). θ is the network's own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cambench.explainers.cam import class_scores
from cambench.explainers.entry import Prepared
from cambench.explainers.probe import Probe
from cambench.losses.acol import erase, fuse
from cambench.maps import widened
from cambench.vocabulary import UsageError

FEATURES, FIRST, SECOND = "features", "first", "second"
"""The parts of an ACoL head: what both classifiers see, the first up to its class scores, the second."""


class Pair(Prepared):
    """A network with an ACoL head: called with images (N,3,H,W) it gives A's logits and keeps what both classifiers see."""

    def __init__(self, model: nn.Module, part: str) -> None:
        self.model, self.part = model, part
        self.linear = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
        self.features, self.convolved = torch.empty(0), torch.empty(0)

    def __call__(self, images: Tensor) -> Tensor:
        """images (N,3,H,W) -> logits (N,C)."""
        with (
            Probe(self.model, f"{self.part}.{FEATURES}", guard=False) as features,
            Probe(self.model, f"{self.part}.{FIRST}", guard=False) as convolved,
        ):
            logits: Tensor = self.model(images)
            self.features, self.convolved = features.activation.detach(), convolved.activation.detach()
        return logits

    def scores(self, classes: Tensor) -> tuple[Tensor, Tensor]:
        """f^A_y and f^B_y of classes (N,) at each cell: (N,h,w) twice."""
        first = class_scores(self.convolved, self.linear.weight, classes)
        head = self.model.get_submodule(self.part)
        erased = erase(self.features, first, head.get_buffer("threshold"))
        rows = torch.arange(len(classes), device=classes.device)
        return first, widened(head.get_submodule(SECOND)(erased))[rows, classes]


def acol(pair: Pair, classes: Tensor) -> Tensor:
    """s = max(minmax f^A_y, minmax f^B_y): classes (N,) of the images that the pair saw last -> (N,h,w) in [0,1]."""
    return fuse(*pair.scores(classes))


def part_of(model: nn.Module) -> str:
    """The name of a network's ACoL head. Raises: UsageError where it has none."""
    ending = f".{SECOND}.scores"
    parts: list[str] = [name.removesuffix(ending) for name, _ in model.named_modules() if name.endswith(ending)]
    if not parts:
        raise UsageError("acol: expected a network with ACoL's two classifiers, got one without; train the method acol.")
    return parts[-1]


def features_layer(model: nn.Module) -> str:
    """The layer that both classifiers read. Raises: UsageError where the network has no ACoL head."""
    return f"{part_of(model)}.{FEATURES}"


def prepare(model: nn.Module, layer: str, size: int, like: Tensor) -> Pair:
    """The two classifiers of a network.

    Raises: UsageError for another layer than theirs, or a threshold that no training has set.
    """
    own = features_layer(model)
    if layer != own:
        raise UsageError(f"acol: expected its own layer {own}, got {layer}; leave --layer out.")
    part = part_of(model)
    if not bool(model.get_buffer(f"{part}.threshold").isfinite()):
        raise UsageError(
            "acol: expected a network whose threshold its training has set, got one without; train the method acol."
        )
    return Pair(model, part)
