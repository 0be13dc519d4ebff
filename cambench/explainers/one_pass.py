"""Explainers of a layer, which need one forward pass and may share it.

Head of global average pooling + one linear layer: no backward pass, one product of the weights with the activation, or a
gradient that follows from them. Any other head: only the head is differentiated, the trunk runs without a graph.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from cambench.explainers.cam import NEEDS_HEAD, weighted_sums
from cambench.explainers.entry import Space
from cambench.explainers.probe import evaluating
from cambench.explainers.query import Query, of_images
from cambench.explainers.score import Pass, Score, look
from cambench.maps import widened
from cambench.vocabulary import UsageError

OF_CLASSES: tuple[Space, ...] = ("layer", "score", "head")
ONE_PASS: tuple[Space, ...] = (*OF_CLASSES, "control")
"""The spaces whose explainers need one forward pass, and may share it; see `of_pass`. Those `OF_CLASSES` ask which one."""


def seen_by(model: nn.Module, images: Tensor, *queries: Query) -> Pass:
    """One forward pass of which each query's explainer makes its maps, by `of_pass`; they ask the same of the network.

    Raises: UsageError for an explainer of a GAP + linear head where there is none.
    """
    for q in queries:
        if q.closed:
            linear_head(q)
    query = queries[0]
    head = query.head if isinstance(query.head, nn.Linear) else None
    again = not query.training and any(q.explainer.space == "score" for q in queries)
    graph = head is None and any(q.explainer.space in OF_CLASSES for q in queries)
    return look(model, images, query.layer, head, query.precision, graph=graph, again=again)


def of_pass(seen: Pass, query: Query, classes: Tensor | None) -> Tensor:
    """The maps (N,h,w) of an explainer in the space of a layer, of the score above it or of a linear head.

    layer: rule(activation (N,K,h,w), gradient (N,K,h,w)); where a GAP + linear head says all of it (`Query.closed`), Σ_k
    (v·W)_k·A_k in its place. score: rule(activation, score), the target's S as a function of the layer's map.
    head: rule(activation, weights (C,K), bias (C,)) -> maps of all classes (N,C,h,w), which v adds up; a rule that is linear
    gets v·W (N,1,K) and v·b (N,1) in their place, one map in place of C.
    control: rule(activation, images (N,3,H,W)); a target that does not exist is still an error.
    """
    activation, classes = seen.activation.detach(), of_images(seen.logits, classes)
    v = query.coefficients(seen.logits, classes)
    if query.explainer.space == "control":
        return query.explainer.rule(activation, seen.images)
    if query.closed:
        weights, bias = weighing(query, linear_head(query), activation)
        if query.explainer.linear:
            return class_maps(query, activation, (v @ weights)[:, None], (v @ bias)[:, None])[:, 0]
        return (v[:, :, None, None] * class_maps(query, activation, weights, bias)).sum(1)
    score = Score(seen, v, classes, query.explained)
    return query.explainer.rule(activation, score if query.explainer.space == "score" else score.gradient)


def every_class(model: nn.Module, images: Tensor, query: Query) -> Tensor:
    """Maps of all classes (N,C,h,w) of the target `logit`; see `batch.all_class_maps`."""
    if query.explainer.space not in OF_CLASSES:
        name = query.explainer.name
        raise UsageError(f"all-class maps: expected an explainer of a layer, got {name}; use grad-cam or hires-cam.")
    query = replace(query, target="logit")
    with torch.inference_mode(False), evaluating(model):
        seen = seen_by(model, images, query)
        if query.closed and query.explained == "logit":
            return class_maps(query, seen.activation.detach(), *weighing(query, linear_head(query), seen.activation))
        n, count = seen.logits.shape
        every = torch.arange(count, device=seen.logits.device)
        return torch.stack([of_pass(seen, query, of.expand(n)) for of in every], 1)


def class_maps(query: Query, activation: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """Maps through a GAP + linear head: activation (N,K,h,w), weights (M,K) or (N,M,K), bias (M,) or (N,M) -> (N,M,h,w)."""
    if query.explainer.space == "head":
        return query.explainer.rule(activation, weights, bias)
    return weighted_sums(activation, weights)


def linear_head(query: Query) -> nn.Linear:
    """The network's GAP + linear head. Raises: UsageError where it has none."""
    if not isinstance(query.head, nn.Linear):
        raise UsageError(f"{query.explainer.name} {NEEDS_HEAD}")
    return query.head


def weighing(query: Query, head: nn.Linear, activation: Tensor) -> tuple[Tensor, Tensor]:
    """The weights (C,K) of a head, as the rule weighs activations by them, and its bias (C,); without it, channel c's own.

    Raises: UsageError for fewer channels than classes where the channels are the classes.
    """
    weights, cells = widened(head.weight.detach()), activation.shape[2] * activation.shape[3]
    if not query.explainer.head:
        if weights.shape[0] > weights.shape[1]:
            classes, channels = weights.shape
            raise UsageError(f"{query.explainer.name}: expected a channel for each of {classes} classes, got {channels}.")
        return torch.eye(*weights.shape).to(weights) / cells, weights.new_zeros(len(weights))
    bias = weights.new_zeros(len(weights)) if head.bias is None else widened(head.bias.detach())
    parts = {"mean": cells, "channel-mean": cells * activation.shape[1]}
    return weights / parts.get(query.explainer.closed or "", 1), bias
