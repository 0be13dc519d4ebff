"""CGC: cross-entropy of three views plus consistent heatmaps of a view and its crop (CGC protocol §1.1–1.5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cambench import geometry
from cambench.explainers.gradient_cam import differentiable_cam
from cambench.losses.cgc import Anchor, consistency_maps, grouped_cgc_loss, paired_windows, positive_pair_loss
from cambench.losses.cross_entropy import cross_entropy
from cambench.objectives import shares
from cambench.objectives.cross_entropy import accuracy
from cambench.objectives.network import Network, Terms
from cambench.recipes.strict import Strict
from cambench.vocabulary import Batch


class Consistency(Strict):
    """Choices in which paper and authors' code differ (CGC protocol §5.1), and λ (`weight`) and τ (`temperature`).

    `heatmap_size`: the side to which heatmaps are up-sampled, 224 in the released code; 0 is the input's own.
    """

    temperature: float = Field(gt=0)
    weight: float = Field(ge=0)
    anchor: Anchor
    group: int = Field(ge=2)
    reduction: Literal["mean", "sum"]
    flip: Literal["consistent", "released"]
    negatives: Literal["contrastive", "squared", "released"]
    heatmap_size: int = Field(default=0, ge=0)


class Settings(Consistency):
    """`ce_views`: the views whose cross-entropy counts."""

    ce_views: Literal["all", "query"]


def transforms(
    n: int, size: tuple[int, int], flip: str, generator: torch.Generator
) -> tuple[geometry.Windows, geometry.Windows]:
    """N draws of T as windows of the query: one for the image, one for its heatmap; they differ in the released flip alone.

    `consistent`: one flip with p = ½ for both. `released`: the sample is flagged with p = ½, which flips the heatmap, and
    the image then meets a second flip with p = ½ (CGC protocol §1.2).
    """
    of_map = paired_windows(n, size, generator)
    if flip == "consistent":
        return of_map, of_map
    second = torch.rand(n, generator=generator) < 0.5
    return replace(of_map, flip=of_map.flip & second), of_map


def consistency(
    settings: Consistency, network: Network, batch: Batch, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """L_CGC of the batch's queries x (N,3,H,W), and the logits (N,C) of x and of T(x).

    The groups of negatives are those of the whole batch, on however many processes it lies.
    Forward passes in the order x, T(x), which is the order in which running statistics see them. The heatmaps belong to the
    class that the network predicts on x, so no label is needed.
    """
    query = batch.views["query"]
    size = (query.shape[2], query.shape[3])
    drawn = transforms(shares.whole(batch), size, settings.flip, generator)
    for_image, for_map = (shares.own(windows, batch) for windows in drawn)
    logits, activation = network.forward(query)
    changed_logits, changed_activation = network.forward(geometry.resample(query, for_image.to(query.device), size))
    classes = logits.argmax(1)
    of_changed = differentiable_cam(changed_activation, changed_logits, classes, network.head)
    of_query = differentiable_cam(activation, logits, classes, network.head)
    own = (settings.heatmap_size or size[0], settings.heatmap_size or size[1])
    pair = consistency_maps(of_changed, of_query, geometry.scaled(for_map, size, own), own)
    a, b = (shares.gathered(maps, batch) for maps in pair)
    if settings.negatives == "contrastive":
        loss = grouped_cgc_loss(
            a,
            b,
            group=settings.group,
            temperature=settings.temperature,
            anchor=settings.anchor,
            reduction=settings.reduction,
        )
    else:
        loss = positive_pair_loss(a, b, variant=settings.negatives)
    return loss, logits, changed_logits


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = CE(x_crop) + CE(x) + CE(T(x)) + λ·L_CGC; `ce_views = query`: L = CE(x) + λ·L_CGC.

    Forward passes in the order x_crop, x, T(x).
    """
    label, every = batch.label, settings.ce_views == "all"
    ce: list[Tensor] = []
    if every:
        of_crop = cross_entropy(network.logits(batch.views["crop"]), label)
        yield of_crop
        ce.append(of_crop.detach())
    loss, logits, changed_logits = consistency(settings, network, batch, generator)
    rest = cross_entropy(logits, label)
    if every:
        rest = rest + cross_entropy(changed_logits, label)
    yield rest + settings.weight * loss
    total = torch.stack([*ce, rest.detach()]).sum()
    return {"ce": total, "consistency": loss.detach(), "accuracy": accuracy(changed_logits, label)}
