"""Spaces whose explainers try other images in the place of those explained: masked ones, and those that a search makes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from cambench.explainers.forward import named, predict
from cambench.explainers.masks import scores
from cambench.explainers.probe import Probe, frozen
from cambench.explainers.query import Query, of_images
from cambench.targets import scalar


def of_masked(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """rule(masks, scores of the masked images (N,M), scores of the images (N,)): forward passes alone, without a graph.

    Raises: as `Query.refuse_training`.
    """
    hiding, forward = query.explainer.hiding, partial(predict, model, precision=query.precision)
    query.refuse_training()
    assert hiding is not None
    with torch.no_grad():
        if hiding.layer:
            with Probe(model, named(query.layer)) as probe:
                logits = forward(images)
                masks = hiding.masks(images, probe.activation.detach())
        else:
            logits, masks = forward(images), hiding.masks(images)
        score = score_of(query, logits, classes)
        everyone = torch.arange(len(images), device=logits.device)
        of_masks = scores(masks, lambda shown, n: score(forward(shown), n))
        return query.explainer.rule(masks, of_masks, score(logits, everyone)), logits


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
