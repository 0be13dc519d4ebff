"""What is asked of images, and the answer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cambench.explainers.entry import Explainer, Prepared
from cambench.explainers.probing.layers import each_of
from cambench.targets import ClassSets, coefficients, find_target
from cambench.vocabulary import UsageError


@dataclass(frozen=True)
class Explanation:
    """maps (N,h,w) float32, raw and signed; logits (N,C) float32; classes (N,) int64: what was explained. On the device.

    seconds (N,) float64, on the CPU: what each map took; a pass that explainers share counts for each of them.
    """

    maps: Tensor
    logits: Tensor
    classes: Tensor
    seconds: Tensor


def explanation(maps: Tensor, logits: Tensor, classes: Tensor | None, seconds: float) -> Explanation:
    """The answer for N images that took some seconds together; None explains each image's best class."""
    n = len(logits)
    each = torch.full((n,), seconds / max(n, 1), dtype=torch.float64, device="cpu")
    return Explanation(maps, logits, of_images(logits, classes), each)


@dataclass(frozen=True)
class Query:
    """What is asked of the images: the explainer, the target, where, at which precision the trunk runs and in which mode.

    Raises: UsageError for a peer in bf16: it runs the network itself.
    """

    explainer: Explainer
    layer: str | None = None
    head: nn.Linear | Prepared | None = None
    target: str = "logit"
    subsets: ClassSets | None = None
    precision: str = "float32"
    training: bool = False

    def __post_init__(self) -> None:
        if self.explainer.package and self.precision != "float32":
            raise UsageError(
                f"{self.explainer.name}: expected precision float32, got {self.precision}: {self.explainer.package} runs "
                "the network itself; leave --precision out."
            )

    @property
    def layers(self) -> list[str]:
        """The layers that are explained together, most often one; none of an explainer that looks at none."""
        return each_of(self.layer) if self.layer and self.explainer.at_layer else []

    @property
    def closed(self) -> bool:
        """Whether maps follow from the weights of a GAP + linear head, without a gradient."""
        known = self.explainer.closed is not None and isinstance(self.head, nn.Linear)
        return known or self.explainer.space == "head" or not self.explainer.head

    @property
    def explained(self) -> str:
        """The target whose scalar is explained. Raises: UsageError for one that the explainer does not take."""
        name, own = self.explainer.name, self.explainer.target
        if self.target == "logit":
            return own
        find_target(self.target)
        if own != "logit":
            raise UsageError(f"{name}: expected target logit, got {self.target}; {name} explains {own} in its place.")
        if not self.explainer.class_specific:
            raise UsageError(f"{name}: expected target logit, got {self.target}; its map is that of no class.")
        return self.target

    def refuse_training(self) -> None:
        """Raises: UsageError for a network in train mode, whose batch norms go with the images of a batch."""
        if self.training:
            raise UsageError(f"{self.explainer.name}: expected a network in eval mode, got one in train mode.")

    def coefficients(self, logits: Tensor, classes: Tensor | None) -> Tensor:
        """v (N,C) of the target's scalar S = Σ_c v_c·y_c."""
        return coefficients(logits, name=self.explained, classes=classes, subsets=self.subsets)


def of_images(logits: Tensor, classes: Tensor | None) -> Tensor:
    """The classes (N,) that are explained: each image's best by its logits (N,C) where none are given."""
    return logits.argmax(1) if classes is None else classes.to(logits.device).long()
