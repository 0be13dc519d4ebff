"""One batch explained: model and images to raw, signed maps at their native grid."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from cambench.explainers import Explainer, find_explainer
from cambench.explainers.entry import Prepared
from cambench.explainers.explanation import answer
from cambench.explainers.forward import predict
from cambench.explainers.gradients import input_gradient
from cambench.explainers.one_pass import every_class
from cambench.explainers.probe import default_layer, evaluating, frozen, gap_linear_head
from cambench.explainers.query import Explanation, Query
from cambench.targets import ClassSets, coefficients


def explain_batch(
    model: nn.Module,
    images: Tensor,
    *,
    explainer: str,
    target: str = "logit",
    classes: Tensor | None = None,
    layer: str | None = None,
    head: nn.Linear | Prepared | None = None,
    precision: str = "float32",
    subsets: ClassSets | None = None,
    training: bool = False,
) -> Explanation:
    """Raw maps of one batch for the target's scalar S = Σ_c v_c·y_c.

    images (N,3,H,W); classes (N,) or None for each image's best class; layer: None chooses `layer_of`, at the price
    of a forward pass; head: what `place` returned, which spares the backward pass, or the preparation of a network;
    precision `bf16`: autocast for the trunk alone, head and maps stay float32.
    -> maps (N,h,w), logits (N,C), classes (N,). The model is put in eval mode and left as it was found. The maps of an
    image do not depend on its batch. `training`: in train mode instead, so that batch norms take the batch's statistics
    and update their own, which stay changed.
    Raises: UsageError for unknown names or shapes, CambenchError for logits that are not finite.
    """
    entry = find_explainer(explainer)
    if layer is None and entry.at_layer:
        layer = layer_of(entry, model, images[:1])
    return answer(model, images, Query(entry, layer, head, target, subsets, precision, training), classes)


def explain(
    model: nn.Module,
    images: Tensor,
    explainer: str = "grad-cam",
    target: str = "logit",
    classes: Tensor | None = None,
    layer: str | None = None,
    size: int | None = None,
) -> Tensor:
    """Raw, signed maps of images (N,3,H,W) -> (N,h,w); layer and head are found out on the first image.

    size: the side of the images that the network was trained on, where an explainer asks for it; None: these images'.
    Raises: as `explain_batch`.
    """
    layer, head = place(model, images, find_explainer(explainer), layer, size)
    return explain_batch(model, images, explainer=explainer, target=target, classes=classes, layer=layer, head=head).maps


def input_gradients(
    model: nn.Module, images: Tensor, classes: Tensor, target: str = "logit", precision: str = "float32"
) -> Tensor:
    """∂S/∂x of the target's scalar S = Σ_c v_c·y_c, every colour by itself: images (N,3,H,W), classes (N,) -> (N,3,H,W).

    The model is put in eval mode and left as it was found. Raises: as `explain_batch`.
    """
    of_target = partial(coefficients, name=target, classes=classes)
    with torch.inference_mode(False), torch.enable_grad(), evaluating(model), frozen(model):
        return input_gradient(partial(predict, model, precision=precision), images, of_target)[0]


def all_class_maps(
    model: nn.Module,
    images: Tensor,
    explainer: str = "hires-cam",
    layer: str | None = None,
    *,
    head: nn.Linear | Prepared | None = None,
) -> Tensor:
    """The maps of every class's logit: images (N,3,H,W) -> (N,C,h,w), raw and signed.

    One product of all C weight vectors with the activation where the head is GAP + linear, else C passes through the head.
    layer, head: None finds them out on the first image at every call; who explains many batches finds them once.
    Raises: as `explain_batch`.
    """
    entry = find_explainer(explainer)
    if head is None:
        layer, head = place(model, images, entry, layer)
    return every_class(model, images, Query(entry, layer, head))


def layer_of(entry: Explainer, model: nn.Module, image: Tensor) -> str:
    """The layer that an explainer explains where none is named. image (1,3,H,W)."""
    return default_layer(model, image) if entry.layer.own is None else entry.layer.own(model)


def place(
    model: nn.Module, images: Tensor, entry: Explainer, layer: str | None, size: int | None = None
) -> tuple[str | None, nn.Linear | Prepared | None]:
    """The layer to explain, and its GAP + linear head, if it has one, or what the explainer prepares of the network.

    No layer for an explainer that looks at none.
    """
    layer = (layer or layer_of(entry, model, images[:1])) if entry.at_layer else None
    if entry.layer.prepare is not None:
        with evaluating(model):
            return layer, entry.layer.prepare(model, layer, size or min(images.shape[2], images.shape[3]), images)
    return layer, None if layer is None else gap_linear_head(model, layer, images[:1], training=False)
