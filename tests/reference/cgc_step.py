"""The CGC training loss, slowly and from the paper: one image at a time, Grad-CAM by double backward, loops for the sums."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate


def network_with_map(model: nn.Module, layer: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of a batch and the activation of a layer, in one graph."""
    kept = []
    handle = layer.register_forward_hook(lambda _m, _i, output: kept.append(output))
    logits = model(images)
    handle.remove()
    return logits, kept[0]


def heatmap(score: Tensor, activation: Tensor, size: int) -> Tensor:
    """M of every image (CGC protocol §1.1), with its graph: ReLU of the channel sum, up-sampled, summing to one."""
    (gradient,) = torch.autograd.grad(score.sum(), activation, create_graph=True)
    raw = torch.relu((gradient * activation).sum(1, keepdim=True))
    big = interpolate(raw, size=(size, size), mode="bilinear", align_corners=False)
    return big / (big.sum((2, 3), keepdim=True) + 1e-8) + 1e-8


def cut(x: Tensor, window: tuple[int, int, int, int], flip: bool, size: int) -> Tensor:
    """T on one image or map (1,K,size,size): slice, resize back, mirror."""
    top, left, height, width = window
    piece = x[:, :, top : top + height, left : left + width]
    piece = interpolate(piece, size=(size, size), mode="bilinear", align_corners=False)
    return piece.flip(3) if flip else piece


def outward(window: tuple[int, int, int, int], old: int, new: int) -> tuple[int, int, int, int]:
    """A box of the query as whole pixels of its heatmap, where that is of another size."""
    top, left, height, width = window
    y, x = top * new // old, left * new // old
    return y, x, math.ceil((top + height) * new / old) - y, math.ceil((left + width) * new / old) - x


def loss(
    model: nn.Module, layer: nn.Module, views: dict[str, Tensor], label: Tensor, draws: dict[str, list], settings: dict
) -> Tensor:
    """CE terms + λ·consistency. draws: `windows`, `image_flips`, `map_flips`, one entry an image."""
    query, size = views["query"], views["query"].shape[2]
    maps_size = settings.get("heatmap_size") or size
    boxes = [outward(w, size, maps_size) for w in draws["windows"]]
    terms = [cross_entropy(model(views["crop"]), label)] if settings["ce_views"] == "all" else []
    logits, activation = network_with_map(model, layer, query)
    cuts = [cut(query[i : i + 1], w, draws["image_flips"][i], size) for i, w in enumerate(draws["windows"])]
    changed_logits, changed_activation = network_with_map(model, layer, torch.cat(cuts))
    terms.append(cross_entropy(logits, label))
    if settings["ce_views"] == "all":
        terms.append(cross_entropy(changed_logits, label))
    classes = logits.argmax(1, keepdim=True)
    of_changed = heatmap(changed_logits.gather(1, classes), changed_activation, maps_size)
    of_query = heatmap(logits.gather(1, classes), activation, maps_size)
    a = [of_changed[i].flatten() for i in range(len(query))]
    b = [cut(of_query[i : i + 1], w, draws["map_flips"][i], maps_size).flatten() for i, w in enumerate(boxes)]
    a, b = [x / x.norm() for x in a], [x / x.norm() for x in b]
    return sum(terms) + settings["weight"] * consistency(a, b, settings)


def consistency(a: list[Tensor], b: list[Tensor], settings: dict) -> Tensor:
    """The consistency term of a list of unit vectors, in groups of consecutive images."""
    if settings["negatives"] == "squared":
        return sum(((x - y) ** 2).sum() for x, y in zip(a, b, strict=True)) / len(a)
    if settings["negatives"] == "released":
        return sum(((x - y) ** 2).mean() for x, y in zip(a, b, strict=True)) / len(a)
    groups = [range(s, min(s + settings["group"], len(a))) for s in range(0, len(a), settings["group"])]
    values = []
    for group in (g for g in groups if len(g) >= 2):
        terms = [one(a, b, i, group, settings) for i in group]
        values.append(sum(terms) if settings["reduction"] == "sum" else sum(terms) / len(terms))
    return sum(values) if settings["reduction"] == "sum" else sum(values) / len(values)


def one(a: list[Tensor], b: list[Tensor], i: int, group: range, settings: dict) -> Tensor:
    """L_i of the paper or of the released code (CGC protocol §1.3)."""
    tau = settings["temperature"]
    positive = torch.exp(a[i] @ b[i] / tau)
    if settings["anchor"] == "printed":
        return -torch.log(positive / sum(torch.exp(b[i] @ a[j] / tau) for j in group))
    return -torch.log(positive / (positive + sum(torch.exp(a[i] @ a[j] / tau) for j in group if j != i)))
