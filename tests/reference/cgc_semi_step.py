"""The semi-supervised CGC loss, slowly (CGC protocol §1.8): cross-entropy of crops, consistency of others."""

from __future__ import annotations

import torch
from reference.cgc_step import consistency, cut, heatmap, network_with_map
from torch import Tensor, nn


def loss(
    model: nn.Module, layer: nn.Module, crop: Tensor, label: Tensor, query: Tensor, draws: dict[str, list], settings: dict
) -> Tensor:
    """−mean log p(label | crop) + λ·consistency of the queries. draws: as in `cgc_step.loss`."""
    p = torch.softmax(model(crop), 1)
    ce = -sum(torch.log(p[i, label[i]]) for i in range(len(crop))) / len(crop)
    size = query.shape[2]
    logits, activation = network_with_map(model, layer, query)
    cuts = [cut(query[i : i + 1], w, draws["image_flips"][i], size) for i, w in enumerate(draws["windows"])]
    changed_logits, changed_activation = network_with_map(model, layer, torch.cat(cuts))
    classes = logits.argmax(1, keepdim=True)
    of_changed = heatmap(changed_logits.gather(1, classes), changed_activation, size)
    of_query = heatmap(logits.gather(1, classes), activation, size)
    a = [of_changed[i].flatten() for i in range(len(query))]
    b = [cut(of_query[i : i + 1], w, draws["map_flips"][i], size).flatten() for i, w in enumerate(draws["windows"])]
    a, b = [x / x.norm() for x in a], [x / x.norm() for x in b]
    return ce + settings["weight"] * consistency(a, b, settings)
