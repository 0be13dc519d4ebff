"""CutMix: plain classification of images into which a rectangle of another one is pasted, and of its label by its area."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from cambench.losses.cross_entropy import cross_entropy
from cambench.objectives import shares
from cambench.objectives.cross_entropy import accuracy, classify
from cambench.objectives.network import Network, Terms
from cambench.recipes.strict import Strict
from cambench.vocabulary import Batch


class Mixing(Strict):
    """`alpha` of the Beta(α, α) from which the share of the first image is drawn."""

    alpha: float = Field(gt=0)


class Settings(Mixing):
    """`probability`: of a batch that it is mixed; every other one is learnt as it is."""

    probability: float = Field(ge=0, le=1)


@dataclass(frozen=True)
class Mix:
    """What one batch mixes: image i gets a rectangle (rows `down`, columns `across`) of image order[i] of the whole batch;
    share: its area."""

    order: Tensor
    down: slice
    across: slice
    share: float

    def paste(self, images: Tensor, batch: Batch) -> Tensor:
        """The mixed images (N,3,H,W) of a batch, or the regions (N,H,W) of them."""
        mixed = images.clone()
        pasted = shares.gathered(images[..., self.down, self.across], batch)
        mixed[..., self.down, self.across] = pasted[self.order]
        return mixed

    def labels(self, batch: Batch) -> Tensor:
        """(N,) what the pasted rectangles are of."""
        return shares.gathered(batch.label, batch)[self.order]


def draw(batch: Batch, alpha: float, generator: torch.Generator) -> Mix:
    """A random order of the images and one rectangle; its share is that of the pixels which it really covers."""
    height, width = batch.views["crop"].shape[2:]
    order = torch.randperm(shares.whole(batch), generator=generator)
    order = shares.own(order, batch).to(batch.label.device)
    down, across = rectangle((height, width), alpha, generator)
    return Mix(order, down, across, (down.stop - down.start) * (across.stop - across.start) / (height * width))


def rectangle(size: tuple[int, int], alpha: float, generator: torch.Generator) -> tuple[slice, slice]:
    """CutMix's rectangle: sides √(1 − λ) of the image's with λ ~ Beta(α, α), around a uniform pixel, cut at the border.

    Source: Yun et al. 2019, CutMix, §3.1. A Beta is x/(x + y) of two Gammas, here of one (Marsaglia–Tsang as torch has it).
    """
    x, y = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=generator).tolist()
    down, across = (int(torch.randint(length, (1,), generator=generator)) for length in size)
    return box(size, x / (x + y), (down, across))


def box(size: tuple[int, int], kept: float, centre: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the rectangle around a pixel: sides int(√(1 − λ)·n), half of them, rounded down, on each hand.

    Source: Yun et al. 2019, the authors' code; WSOL benchmark, its code (rivals protocol §6). kept: λ.
    """
    halves = (int(length * (1 - kept) ** 0.5) // 2 for length in size)
    down, across = (slice(max(0, c - h), min(n, c + h)) for n, c, h in zip(size, centre, halves, strict=True))
    return down, across


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = λ·CE(f(x̃), y) + (1 − λ)·CE(f(x̃), y'), x̃ with a rectangle of x' of the share 1 − λ, the same in the whole batch.

    With `probability`; else L = CE(f(x), y). λ is the share of pixels that really stay.
    Source: Yun et al. 2019, eq. 1, authors' code; WSOL benchmark, its code (rivals protocol §6).
    """
    image = batch.views["crop"]
    if float(torch.rand((), generator=generator)) >= settings.probability:
        values = yield from classify(network, image, batch.label)
        return {"pasted": image.new_zeros(()), **values}
    mix = draw(batch, settings.alpha, generator)
    logits = network.logits(mix.paste(image, batch))
    own, others = cross_entropy(logits, batch.label), cross_entropy(logits, mix.labels(batch))
    yield (1 - mix.share) * own + mix.share * others
    return {"pasted": image.new_tensor(mix.share), "accuracy": accuracy(logits, batch.label)}
