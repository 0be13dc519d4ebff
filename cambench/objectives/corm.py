"""CORM: cross-entropy of images with noise in the background of half of the batches (ContrastiveCAM protocol §1.2)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from cambench.objectives import shares
from cambench.objectives.cfce import regions_of
from cambench.objectives.cross_entropy import classify
from cambench.objectives.network import Network, Terms
from cambench.pixels import DEFAULT, Normalisation, to_input, to_pixels
from cambench.recipes.strict import Strict
from cambench.vocabulary import Batch


class Settings(Strict):
    """`noise`: standard deviation in pixels of [0,1]; `probability` that a batch gets it."""

    noise: float = Field(ge=0)
    probability: float = Field(ge=0, le=1)


def corrupted(image: Tensor, mask: Tensor, noise: Tensor, normalisation: Normalisation = DEFAULT) -> Tensor:
    """clip(x + (1 − m)·n, 0, 1) in pixels: noise everywhere but on the object.

    Source: ContrastiveCAM protocol §1.2. image (N,3,H,W) normalised, mask (N,H,W) bool, noise (N,3,H,W) in pixels -> as
    image.
    """
    noisy = to_input((to_pixels(image, *normalisation) + noise).clamp(0, 1), *normalisation)
    return torch.where(mask[:, None], image, noisy)


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = CE(f(x'), y), x' the noisy image with the settings' probability a batch, else x.

    Departure: the suite's penalty on input gradients is left out; as released it sends no gradient to the weights.
    """
    image, regions = batch.views["crop"], regions_of(batch)
    if float(torch.rand((), generator=generator)) < settings.probability:
        drawn = torch.randn((shares.whole(batch), *image.shape[1:]), generator=generator)
        noise = settings.noise * shares.own(drawn, batch).to(image)
        image = corrupted(image, regions == batch.label[:, None, None], noise, network.normalisation)
    return classify(network, image, batch.label)
