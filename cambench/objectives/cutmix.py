"""CutMix: plain classification of images into which a rectangle of another one is pasted, and of its label by its area."""

from __future__ import annotations

import torch
from pydantic import Field

from cambench.losses.cross_entropy import cross_entropy
from cambench.objectives.cross_entropy import accuracy
from cambench.objectives.cutmix_cfce import rectangle
from cambench.objectives.network import Network, Terms
from cambench.recipes.schema import Strict
from cambench.vocabulary import Batch


class Settings(Strict):
    """`alpha` of the Beta(α, α) from which the share of the first image is drawn."""

    alpha: float = Field(gt=0)


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = λ·CE(f(x̃), y) + (1 − λ)·CE(f(x̃), y'), x̃ with a rectangle of x' of the share 1 − λ, the same in the whole batch.

    Source: Yun et al. 2019, eq. 1; λ is the share of pixels that really stay, as in the authors' code.
    """
    image = batch.views["crop"]
    order = torch.randperm(len(image), generator=generator).to(image.device)
    down, across = rectangle((image.shape[2], image.shape[3]), settings.alpha, generator)
    mixed = image.clone()
    mixed[:, :, down, across] = image[order][:, :, down, across]
    pasted = (down.stop - down.start) * (across.stop - across.start) / (image.shape[2] * image.shape[3])
    logits = network.logits(mixed)
    yield (1 - pasted) * cross_entropy(logits, batch.label) + pasted * cross_entropy(logits, batch.label[order])
    return {"pasted": image.new_tensor(pasted), "accuracy": accuracy(logits, batch.label)}
