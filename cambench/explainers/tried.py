"""Spaces whose explainers try other images in the place of those explained: masked ones, and those that a search makes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from cambench.explainers.forward import named, predict
from cambench.explainers.masks import Masks, scores
from cambench.explainers.probe import Probe, frozen
from cambench.explainers.query import Query, of_images
from cambench.targets import scalar


def of_masked(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """rule(masks, scores of the masked images (N,M), scores of the images (N,)): forward passes alone, without a graph.

    Raises: as `Query.refuse_training`.
    """
    with torch.no_grad():
        logits, masks = hiding(model, images, query)
        score = score_of(query, logits, classes)
        everyone = torch.arange(len(images), device=logits.device)
        of_masks = scores(masks, lambda shown, n: score(predict(model, shown, query.precision), n))
        return query.explainer.rule(masks, of_masks, score(logits, everyone)), logits


def classes_of_masked(model: nn.Module, images: Tensor, query: Query, places: Tensor, classes: Tensor) -> Tensor:
    """The map of class classes[p]'s logit for image places[p], (P,h,w): an image is masked once, whatever classes ask.

    Raises: as `of_masked`.
    """
    shown, place = torch.unique(places, return_inverse=True)
    asked, column = torch.unique(classes, return_inverse=True)
    with torch.no_grad():
        logits, masks = hiding(model, images[shown], query)
        of_masks = scores(masks, lambda masked, n: predict(model, masked, query.precision)[:, asked])
        return query.explainer.rule(masks.of(place), of_masks[place, :, column], logits[place, classes])


def hiding(model: nn.Module, images: Tensor, query: Query) -> tuple[Tensor, Masks]:
    """The logits (N,C) of images (N,3,H,W), and their masks. Raises: as `Query.refuse_training`."""
    query.refuse_training()
    way = query.explainer.hiding
    assert way is not None
    if not way.layer:
        return predict(model, images, query.precision), way.masks(images)
    with Probe(model, named(query.layer)) as probe:
        logits = predict(model, images, query.precision)
        return logits, way.masks(images, probe.activation.detach())


def of_search(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """rule(images, score): what a search for images like them ends in; score: such images (N,3,H,W) -> S (N,), its graph.

    Raises: as `Query.refuse_training`.
    """
    forward = partial(predict, model, precision=query.precision)
    query.refuse_training()
    with torch.no_grad():
        logits = forward(images)
    score, everyone = score_of(query, logits, classes), torch.arange(len(images), device=logits.device)
    with torch.enable_grad(), frozen(model):
        return query.explainer.rule(images, lambda shown: score(forward(shown), everyone)), logits


def score_of(query: Query, logits: Tensor, classes: Tensor | None) -> Callable[[Tensor, Tensor], Tensor]:
    """S of other images in the place of a batch's: (their logits (B,C), which image n (B,) each stands for) -> (B,).

    logits (N,C): those of the batch, whose classes and coefficients v of a contrast are kept.
    """
    explained = of_images(logits, classes)
    v = query.coefficients(logits, explained)
    return lambda of_others, n: scalar(of_others, query.explained, v[n], explained[n])
