"""Maps of several classes of each image, with no more passes through the network than the explainer needs."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from cambench.explainers.explanation import Query, answer, every_class
from cambench.explainers.forward import named, predict
from cambench.explainers.probe import Probe, evaluating


def maps_of_classes(
    model: nn.Module, images: Tensor, query: Query, places: Tensor, classes: Tensor, chunk: int = 32
) -> Tensor:
    """The map of class classes[p] for image places[p], the target `logit`: images (N,3,H,W) -> (P,h,w), raw and signed.

    One pass through the network a batch where a GAP + linear head or a CALM head says all of it, else a pass for each of
    the P maps, at most `chunk` at once. For explainers that are linear in the target the difference of two of these maps is
    the map of `versus`. Raises: as `batch.explain_batch`.
    """
    query = replace(query, target="logit")
    if query.explainer.space == "latent":
        with torch.inference_mode(False), evaluating(model), torch.no_grad(), Probe(model, named(query.layer)) as probe:
            logits = predict(model, images, query.precision)
            v = one_hot(classes, logits.shape[1]).to(logits)
            return query.explainer.rule(probe.activation.detach()[places], v)
    if query.closed:
        return every_class(model, images, query)[places, classes]
    pieces = zip(torch.split(places, chunk), torch.split(classes, chunk), strict=True)
    return torch.cat([answer(model, images[at], query, of).maps for at, of in pieces])
