"""Maps of several classes of each image, or of several explainers, in as few passes through the network as they need."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from cambench.explainers.explanation import answer
from cambench.explainers.forward import clock, named, predict
from cambench.explainers.one_pass import OF_CLASSES, ONE_PASS, every_class, of_pass, seen_by
from cambench.explainers.probe import Probe, evaluating
from cambench.explainers.query import Explanation, Query, explanation
from cambench.explainers.tried import classes_of_masked


def maps_of_classes(
    model: nn.Module, images: Tensor, query: Query, places: Tensor, classes: Tensor, chunk: int = 32
) -> Tensor:
    """The map of class classes[p] for image places[p], the target `logit`: images (N,3,H,W) -> (P,h,w), raw and signed.

    One pass through the network a batch where a GAP + linear head or a CALM head says all of it, one set of masked images
    for all classes of an image; else a pass for each of the P maps, at most `chunk` at once. For explainers that are linear
    in the target the difference of two of these maps is the map of `versus`. Raises: as `batch.explain_batch`.
    """
    query = replace(query, target="logit")
    if query.explainer.space == "latent":
        with torch.inference_mode(False), evaluating(model), torch.no_grad(), Probe(model, named(query.layer)) as probe:
            logits = predict(model, images, query.precision)
            v = one_hot(classes, logits.shape[1]).to(logits)
            return query.explainer.rule(probe.activation.detach()[places], v)
    if query.closed and query.explained == "logit":
        return every_class(model, images, query)[places, classes]
    if query.explainer.space in OF_CLASSES and isinstance(query.head, nn.Linear):
        with torch.inference_mode(False), evaluating(model):
            seen = seen_by(model, images, query)
            at = replace(seen, images=images[places], activation=seen.activation[places], logits=seen.logits[places])
            return of_pass(at, query, classes)
    if query.explainer.space == "masked" and query.explained == "logit" and len(query.layers) <= 1:
        with torch.inference_mode(False), evaluating(model):
            return classes_of_masked(model, images, query, places, classes)
    pieces = zip(torch.split(places, chunk), torch.split(classes, chunk), strict=True)
    return torch.cat([answer(model, images[at], query, of).maps for at, of in pieces])


def shared(query: Query) -> Hashable | None:
    """What is equal in queries that share a pass through the network; None of one that shares none."""
    if query.explainer.space not in ONE_PASS or len(query.layers) > 1:
        return None
    return query.layer, id(query.head), query.precision, query.training


def maps_of_explainers(
    model: nn.Module, images: Tensor, queries: Sequence[Query], classes: Tensor | None = None
) -> list[Explanation]:
    """The explanations of several explainers and targets, in their order: images (N,3,H,W) and classes (N,).

    Those of one layer share a forward pass, and a backward pass a target through the head where it is not GAP + linear; each
    of the others makes its own. Raises: as `batch.explain_batch`.
    """
    alike: dict[Hashable, list[Query]] = {}
    for query in queries:
        alike.setdefault(shared(query) or id(query), []).append(query)
    made: dict[int, Explanation] = {}
    for mine in alike.values():
        explained = of_one_pass(model, images, mine, classes) if len(mine) > 1 else [answer(model, images, mine[0], classes)]
        made |= {id(q): e for q, e in zip(mine, explained, strict=True)}
    return [made[id(query)] for query in queries]


def of_one_pass(model: nn.Module, images: Tensor, queries: list[Query], classes: Tensor | None) -> list[Explanation]:
    """The explanations of explainers that share a pass, target by target; the queries are sorted so."""
    queries.sort(key=lambda query: query.explained)
    began = clock(images.device)
    with torch.inference_mode(False), evaluating(model, queries[0].training):
        seen = seen_by(model, images, *queries)
        logits, passed, made = seen.logits.detach(), clock(images.device), []
        for query in queries:
            start = clock(images.device)
            maps = of_pass(seen, query, classes)
            made.append(explanation(maps, logits, classes, clock(images.device) - start + passed - began))
    return made
