"""GCC: cross-entropy of an image, and a Grad-CAM that stays itself in a composite of four (rivals protocol §1)."""

from __future__ import annotations

import torch
from pydantic import Field

from cambench.explainers.gradient_cam import differentiable_cam
from cambench.losses.cross_entropy import cross_entropy
from cambench.losses.gcc import composite, gcc_loss
from cambench.objectives import shares
from cambench.objectives.cross_entropy import accuracy
from cambench.objectives.network import Network, Terms
from cambench.recipes.strict import Strict
from cambench.vocabulary import Batch, UsageError


class Settings(Strict):
    """λ (`weight`) of the mean over images and cells."""

    weight: float = Field(ge=0)


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = CE(f(x), y) + λ·L_GC, both heatmaps of the ground truth y; the composite's logits serve its map alone.

    Source: rivals protocol §1.2–1.4. Forward passes in the order x, X, both in train mode.
    Raises: UsageError for a batch without three negatives an image, or a network whose grid does not double.
    """
    image, label, beside = batch.views["crop"], batch.label, batch.negatives
    if beside is None or len(beside.rows) != 3 * len(batch.rows):
        raise UsageError(f"objective gcc: expected 3 negatives an image, got {0 if beside is None else len(beside.rows)}.")
    drawn = torch.randint(4, (shares.whole(batch),), generator=generator)
    quadrant = shares.own(drawn, batch).to(image.device)
    logits, activation = network.forward(image)
    of_image = differentiable_cam(activation, logits, label, network.head)
    logits_of_four, activation = network.forward(composite(image, beside.views["crop"], quadrant))
    of_composite = differentiable_cam(activation, logits_of_four, label, network.head)
    ce, consistency = cross_entropy(logits, label), gcc_loss(of_image, of_composite, quadrant)
    yield ce + settings.weight * consistency
    return {"ce": ce.detach(), "consistency": consistency.detach(), "accuracy": accuracy(logits, label)}
