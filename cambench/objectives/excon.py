"""ExCon: where an image's own explanation still tells its class, the explained part takes the place of a random view."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from cambench import maps
from cambench.explainers.batch import explain_batch
from cambench.explainers.probe import evaluating
from cambench.losses.excon import exconb_loss
from cambench.objectives import shares
from cambench.objectives.network import Network, Terms
from cambench.objectives.supcon import Settings as Contrast
from cambench.objectives.supcon import embed
from cambench.recipes.schema import first_epoch
from cambench.vocabulary import Batch

THRESHOLD = 0.5
STEPS = ("resize", "min-max-epsilon")


class Settings(Contrast):
    """Those of the contrast, and what is done with masked images.

    `start`: the first epoch, of 200, with masked images. `background` (ExConB): a masked image that is taken for another
    class is kept away from. `background_anchor`: such images are a class of their own, anchors and positives among
    themselves, as the authors' code has it by default. `explain_bn`: the batch norms' mode while images are explained and
    masked ones classified.
    """

    start: int = Field(ge=0)
    background: bool
    explain_bn: Literal["train", "eval"]
    background_anchor: bool = False


def passes(settings: Settings) -> int:
    """Forward passes' worth an image: both views learn (6), it is explained and classified masked, the classifier learns.

    With `explain_bn = train` it is passed once more; with `background` it stands masked in both columns if it is taken for
    another class: all are counted.
    """
    return 9 + (settings.explain_bn == "train") + 6 * settings.background


def salient(images: Tensor, raw: Tensor) -> Tensor:
    """The images where the map, resized and scaled to [0,1], is above ½; 0, which is the mean colour, elsewhere.

    Source: authors' code (ExCon protocol §1.3); a constant map leaves nothing. images (N,3,H,W), raw (N,h,w), signed ->
    (N,3,H,W).
    """
    shown = maps.apply(raw, STEPS, (images.shape[2], images.shape[3])) > THRESHOLD
    return images.masked_fill(~shown[:, None], 0.0)


def masked(settings: Settings, network: Network, batch: Batch) -> tuple[Tensor, Tensor]:
    """Every image as its Grad-CAM of the label shows it (signed, at the network's layer), and whether that is still right.

    Passes in the order explained, masked, and with `explain_bn = train` the images once more: all three move the running
    statistics, as released (ExCon protocol §1.3, §7.5). No parameter gets a gradient. -> (N,3,H,W), (N,) bool.
    """
    images, training = batch.views["standard"], settings.explain_bn == "train"
    options = {"layer": network.layer, "head": network.head, "precision": network.precision, "training": training}
    explained = explain_batch(network.model, images, explainer="grad-cam", classes=batch.label, **options)  # type: ignore[arg-type]
    parts = salient(images, explained.maps)
    with torch.no_grad(), evaluating(network.model, training):
        right = network.logits(parts).argmax(1) == batch.label
        if training:
            network.logits(images)
    return parts, right


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = SupCon of (r1, r2), where x_M, the masked image, takes the place of r1 if it is still taken for its class.

    With `background`, the x_M that are not stand in both columns as what all views are kept away from. Until `start`
    there are no masked images. One forward pass for the loss, over [column 1, background, column 2, background].
    Source: ExCon eq. 2, 3, figs. 4, 5; authors' code (ExCon protocol §1.3, §1.4). Logs the share of wrong masked images.
    Departure: the paper's pair is (r2, r1); the draws are independent, and in this order a step before `start` is SupCon's.
    """
    column, other = batch.views["first"], batch.views["second"]
    values: dict[str, Tensor] = {}
    background = other[:0]
    if batch.epoch >= first_epoch(settings.start, batch.epochs):
        parts, right = masked(settings, network, batch)
        column = torch.where(right[:, None, None, None], parts, column)
        background = parts[~right] if settings.background else background
        values["wrong_masked"] = (~right).float().mean()
    features = embed(network, [torch.cat([column, background]), torch.cat([other, background])])
    n, sizes = len(batch.label), shares.sizes_of(len(background), batch)
    views, away = shares.gathered(features[:n], batch), shares.gathered(features[n:], batch, sizes)
    ways: dict[str, Any] = {"mode": settings.contrast_mode, "background_anchor": settings.background_anchor}
    kinds = settings.kinds(shares.gathered(batch.label, batch))
    yield exconb_loss(views, kinds, away, settings.temperature, settings.base_temperature, **ways)
    return values
