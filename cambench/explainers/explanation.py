"""From a model and images to raw maps, with as little work as the head allows.

Head of global average pooling + one linear layer: no backward pass, one product of the weights with the activation.
Any other head: only the head is differentiated, the trunk runs without a graph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from cambench.explainers import find_explainer
from cambench.explainers.cam import weighted_sums
from cambench.explainers.entry import Explainer, Prepared, Space
from cambench.explainers.forward import named, predict
from cambench.explainers.gradients import differentiated, input_gradient
from cambench.explainers.probe import Probe, evaluating, frozen
from cambench.explainers.rectifiers import rectifying
from cambench.explainers.tried import of_masked, of_search
from cambench.maps import widened
from cambench.targets import ClassSets, coefficients, find_target
from cambench.vocabulary import UsageError


@dataclass(frozen=True)
class Explanation:
    """maps (N,h,w) float32, raw and signed; logits (N,C) float32; classes (N,) int64: what was explained. On the device."""

    maps: Tensor
    logits: Tensor
    classes: Tensor


@dataclass(frozen=True)
class Query:
    """What is asked of the images: the explainer, the target, where, at which precision the trunk runs and in which mode."""

    explainer: Explainer
    layer: str | None = None
    head: nn.Linear | Prepared | None = None
    target: str = "logit"
    subsets: ClassSets | None = None
    precision: str = "float32"
    training: bool = False

    @property
    def closed(self) -> bool:
        """Whether maps follow from the weights of a GAP + linear head, without a gradient."""
        known = self.explainer.closed is not None and isinstance(self.head, nn.Linear)
        return known or self.explainer.space == "head" or not self.explainer.head

    def coefficients(self, logits: Tensor, classes: Tensor | None) -> Tensor:
        """v (N,C) of the target's scalar S = Σ_c v_c·y_c."""
        return coefficients(logits, name=self.target, classes=classes, subsets=self.subsets)


def answer(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> Explanation:
    """The explanation of one batch; see `batch.explain_batch`."""
    with torch.inference_mode(False), evaluating(model, query.training):
        maps, logits = SPACES[query.explainer.space](model, images, query, classes)
    return Explanation(maps, logits, logits.argmax(1) if classes is None else classes.to(logits.device).long())


def of_layer(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """rule(activation (N,K,h,w), gradient (N,K,h,w)), from the logits down to the layer only; none with a closed form."""
    if query.closed:
        return of_head(model, images, query, classes)
    with torch.enable_grad(), Probe(model, named(query.layer)) as probe:
        logits = predict(model, images, query.precision)
        score = (query.coefficients(logits, classes) * logits).sum()
        gradient = differentiated(score, probe.activation, f"layer {query.layer}")
        return query.explainer.rule(probe.activation.detach(), gradient), logits.detach()


def of_head(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """rule(activation (N,K,h,w), weights (C,K), bias (C,)) -> maps of all classes (N,C,h,w), which the target's v add up.

    A rule that is linear gets v·W (N,1,K) and v·b (N,1) in their place, one map in place of C.
    """
    head = linear_head(query)
    with torch.no_grad(), Probe(model, named(query.layer), guard=False) as probe:
        logits = predict(model, images, query.precision)
        v, (weights, bias) = query.coefficients(logits, classes), weighing(query, head, probe.activation)
        if query.explainer.linear:
            return class_maps(query, probe.activation, (v @ weights)[:, None], (v @ bias)[:, None])[:, 0], logits
        return (v[:, :, None, None] * class_maps(query, probe.activation, weights, bias)).sum(1), logits


def of_control(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """rule(activation (N,K,h,w), images); a target that does not exist is still an error."""
    with torch.no_grad(), Probe(model, named(query.layer)) as probe:
        logits = predict(model, images, query.precision)
        query.coefficients(logits, classes)
        return query.explainer.rule(probe.activation, images), logits


def of_latent(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """rule(latent pair (N,C+1,h,w), v (N,C)) of a network whose head says p(y|x,z) and p(z|x); no backward pass."""
    with torch.no_grad(), Probe(model, named(query.layer)) as probe:
        logits = predict(model, images, query.precision)
        return query.explainer.rule(probe.activation.detach(), query.coefficients(logits, classes)), logits


def of_network(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """rule(what `layer.prepare` made of the network, classes (N,)): a way of its own, for one class of an image.

    Raises: UsageError for a target.
    """
    name, prepare = query.explainer.name, query.explainer.layer.prepare
    if query.target != "logit" or query.training:
        got = f"target {query.target}" if query.target != "logit" else "a network in train mode"
        raise UsageError(
            f"{name}: expected target logit and a network in eval mode, got {got}; it explains one class alone."
        )
    assert prepare is not None
    side = min(images.shape[2], images.shape[3])
    network = query.head if isinstance(query.head, Prepared) else prepare(model, named(query.layer), side, images)
    with torch.no_grad():
        logits = predict(network, images, query.precision)
        explained = logits.argmax(1) if classes is None else classes.to(logits.device).long()
        return query.explainer.rule(network, explained), logits


def of_input(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """rule(images (N,3,H,W), gradient (N,3,H,W)): a whole backward pass, without gradients of parameters."""
    if query.explainer.around is not None:
        return of_points(model, images, query, classes)
    gradient, logits = pixel_gradient(model, images, query, classes)
    return query.explainer.rule(widened(images), gradient), logits


def pixel_gradient(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """∂S/∂x (N,3,H,W), through ReLUs as the explainer has them pass it, and the logits."""
    forward, v = partial(predict, model, precision=query.precision), partial(query.coefficients, classes=classes)
    with torch.enable_grad(), frozen(model), rectifying(query.explainer.relu, query.explainer.name):
        gradient, logits = input_gradient(forward, images, v)
    return widened(gradient), logits


def of_both(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """rule(gradient of the input (N,3,H,W), Grad-CAM's raw map at the layer (N,h,w)), of the same target."""
    cam, logits = of_layer(model, images, replace(query, explainer=find_explainer("grad-cam")), classes)
    gradient, _ = pixel_gradient(model, images, query, logits.argmax(1) if classes is None else classes)
    return query.explainer.rule(gradient, cam), logits


def of_points(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """Maps pooled over the points that the explainer visits, and the logits of the images themselves.

    What is explained stays the same at every point: the classes, and the coefficients v of a contrast, both those of the
    image; only a target that is a function of the input (`Target.anew`) has its v taken anew.
    """
    forward = partial(predict, model, precision=query.precision)
    with torch.no_grad():
        logits = forward(images)
    at_point = partial(query.coefficients, classes=logits.argmax(1) if classes is None else classes)
    of_images = at_point(logits)
    v = at_point if find_target(query.target)[0].anew else lambda _: of_images
    rule, around = query.explainer.rule, query.explainer.around
    assert around is not None
    with torch.enable_grad(), frozen(model):
        gradients = (input_gradient(forward, point, v)[0] for point in around.points(images))
        return around.pool(rule(widened(images), widened(g)) for g in gradients), logits


def of_attention(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """rule(the transformer whose attention is kept, v (N,C)).

    Raises: UsageError for another target than `logit` where the map is that of no class.
    """
    prepare = query.explainer.layer.prepare
    assert prepare is not None
    network = query.head if isinstance(query.head, Prepared) else prepare(model, None, 0, images)
    logits = predict(network, images, query.precision)
    v = query.coefficients(logits, classes)
    if query.target != "logit" and not query.explainer.class_specific:
        raise UsageError(f"{query.explainer.name}: expected target logit, got {query.target}; its map is that of no class.")
    return query.explainer.rule(network, v), logits.detach()


SPACES: dict[Space, Callable[[nn.Module, Tensor, Query, Tensor | None], tuple[Tensor, Tensor]]] = {
    "layer": of_layer,
    "head": of_head,
    "input": of_input,
    "input-and-layer": of_both,
    "masked": of_masked,
    "search": of_search,
    "control": of_control,
    "latent": of_latent,
    "network": of_network,
    "attention": of_attention,
}
"""What a rule is made of: model, images, query, classes -> maps (N,h,w), logits (N,C). Each says its rule's arguments."""


def every_class(model: nn.Module, images: Tensor, query: Query) -> Tensor:
    """Maps of all classes (N,C,h,w) of the target `logit`; see `batch.all_class_maps`."""
    if query.explainer.space not in ("layer", "head"):
        name = query.explainer.name
        raise UsageError(f"all-class maps: expected an explainer of a layer, got {name}; use grad-cam or hires-cam.")
    head = linear_head(query) if query.closed else None
    graph, guard = (torch.enable_grad(), True) if head is None else (torch.no_grad(), False)
    with torch.inference_mode(False), evaluating(model), graph, Probe(model, named(query.layer), guard=guard) as probe:
        logits = predict(model, images, query.precision)
        if head is not None:
            return class_maps(query, probe.activation, *weighing(query, head, probe.activation))
        maps = []
        for score in logits.sum(0):
            gradient = differentiated(score, probe.activation, f"layer {query.layer}", again=True)
            maps.append(query.explainer.rule(probe.activation.detach(), gradient))
    return torch.stack(maps, 1)


def class_maps(query: Query, activation: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """Maps through a GAP + linear head: activation (N,K,h,w), weights (M,K) or (N,M,K), bias (M,) or (N,M) -> (N,M,h,w)."""
    if query.explainer.space == "head":
        return query.explainer.rule(activation, weights, bias)
    return weighted_sums(activation, weights)


def linear_head(query: Query) -> nn.Linear:
    """The network's GAP + linear head. Raises: UsageError where it has none."""
    if not isinstance(query.head, nn.Linear):
        name = query.explainer.name
        raise UsageError(f"{name} needs a head of global average pooling + one linear layer; use grad-cam or hires-cam.")
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
