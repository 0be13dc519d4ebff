"""From a model and images to raw maps, with as little work as the head allows.

Head of global average pooling + one linear layer: no backward pass, one product of the weights with the activation.
Any other head: only the head is differentiated, the trunk runs without a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from cambench.explainers.cam import weighted_sums
from cambench.explainers.contrast import Walk
from cambench.explainers.gradients import differentiated, input_gradient
from cambench.explainers.points import mean
from cambench.explainers.probe import Probe, evaluating, frozen
from cambench.explainers.probing.outputs import logits_of
from cambench.maps import widened
from cambench.targets import ClassSets, coefficients, find_target
from cambench.vocabulary import NotFiniteError, UsageError

PRECISIONS = {"float32": False, "bf16": True}


@dataclass(frozen=True)
class Explainer:
    """One explainer: `rule(activation, gradient) -> (N,h,w)`, raw and signed.

    space: `layer` explains an activation, `input` the pixels, `control` nothing: its rule gets the images instead of a
    gradient; the rule of `latent` gets the target's coefficients (N,C) instead. `network` has a way of its own through the
    network, whose batch norms must not be folded: what `prepare(model, layer, training size, images)` returned gives the
    logits, and the rule gets that and the classes.
    closed: how the rule weighs activations by the weights W of a GAP + linear head, by W (`sum`) or by W/(h·w) (`mean`);
    None where there is no closed form. biased: the closed form adds the class's bias to every cell; each: a step that every
    class's map goes through before the target adds them up. own_layer: the layer explained by default, where it is not the
    last convolutional stage. partial: an image may have no map (NaN, or nothing
    positive); metrics of maps then leave it out and count it. points: where else than at the images an explainer of the
    input takes gradients; pool: how the rule's maps of all points, which get the images themselves as x, become one map.
    version: raise it when the rule changes, so that its maps change: maps of an older version are then made anew.
    """

    name: str
    rule: Callable[..., Tensor]
    space: Literal["layer", "input", "control", "network", "latent"]
    summary: str
    source: str
    aliases: tuple[str, ...] = ()
    closed: Literal["sum", "mean"] | None = None
    unit: str = "logits"
    prepare: Callable[[nn.Module, str, int, Tensor], Walk] | None = None
    own_layer: Callable[[nn.Module], str] | None = None
    partial: bool = False
    biased: bool = False
    each: Callable[[Tensor], Tensor] | None = None
    points: Callable[[Tensor], Iterator[Tensor]] | None = None
    pool: Callable[[Iterable[Tensor]], Tensor] = mean
    version: int = 1


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
    head: nn.Linear | Walk | None = None
    target: str = "logit"
    subsets: ClassSets | None = None
    precision: str = "float32"
    training: bool = False


def answer(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> Explanation:
    """The explanation of one batch; see `explainers.explain_batch`."""
    coefficients_of = partial(coefficients, name=query.target, classes=classes, subsets=query.subsets)
    with torch.inference_mode(False), evaluating(model, query.training):
        if query.explainer.space == "network":
            maps, logits, classes = of_network(model, images, query, classes)
        elif query.explainer.points is not None:
            maps, logits = of_points(model, images, query, classes)
        elif query.explainer.space == "input":
            maps, logits = of_input(model, images, query, coefficients_of)
        elif query.explainer.space == "control":
            maps, logits = of_nothing(model, images, query, coefficients_of)
        elif query.explainer.space == "latent":
            maps, logits = of_latent(model, images, query, coefficients_of)
        elif query.head is not None and query.explainer.closed is not None:
            maps, logits = of_closed_form(model, images, query, coefficients_of)
        else:
            maps, logits = of_head(model, images, query, coefficients_of)
    return Explanation(maps, logits, logits.argmax(1) if classes is None else classes.to(logits.device).long())


def of_closed_form(
    model: nn.Module, images: Tensor, query: Query, coefficients_of: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Maps and logits through a GAP + linear head: M = Σ_k (v·W)_k·A_k, divided by h·w for `mean`; no backward pass."""
    with torch.no_grad(), Probe(model, named(query.layer), guard=False) as probe:
        logits = predict(model, images, query.precision)
        v = coefficients_of(logits)
        if query.explainer.each is not None:
            return (v[:, :, None, None] * closed_maps(query, probe.activation)).sum(1), logits
        maps = weighted_sums(probe.activation, (v @ closed_weights(query, probe.activation))[:, None])[:, 0]
        bias = closed_bias(query)
        return (maps if bias is None else maps + (v @ bias)[:, None, None]), logits


def of_nothing(
    model: nn.Module, images: Tensor, query: Query, coefficients_of: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Maps of a control at the layer's grid, and the network's logits; a target that does not exist is still an error."""
    with torch.no_grad(), Probe(model, named(query.layer)) as probe:
        logits = predict(model, images, query.precision)
        coefficients_of(logits)
        return query.explainer.rule(probe.activation, images), logits


def of_latent(
    model: nn.Module, images: Tensor, query: Query, coefficients_of: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Maps and logits of a network whose head says p(y|x,z) and p(z|x): read off its latent layer, no backward pass."""
    with torch.no_grad(), Probe(model, named(query.layer)) as probe:
        logits = predict(model, images, query.precision)
        return query.explainer.rule(probe.activation.detach(), coefficients_of(logits)), logits


def of_network(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Maps, logits and classes by the explainer's own way through the network; its contrast is its own too.

    Raises: UsageError for a target.
    """
    name, prepare = query.explainer.name, query.explainer.prepare
    if query.target != "logit" or query.training:
        got = f"target {query.target}" if query.target != "logit" else "a network in train mode"
        raise UsageError(f"{name}: expected target logit and a network in eval mode, got {got}; its contrast is its own.")
    assert prepare is not None
    side = min(images.shape[2], images.shape[3])
    walked = query.head if isinstance(query.head, Walk) else prepare(model, named(query.layer), side, images)
    with torch.no_grad():
        logits = predict(walked, images, query.precision)
        chosen = logits.argmax(1) if classes is None else classes.to(logits.device).long()
        return query.explainer.rule(walked, chosen), logits, chosen


def of_head(
    model: nn.Module, images: Tensor, query: Query, coefficients_of: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Maps and logits through any head: the gradient of S = Σ_c v_c·y_c is taken from the logits down to the layer only."""
    with torch.enable_grad(), Probe(model, named(query.layer)) as probe:
        logits = predict(model, images, query.precision)
        score = (coefficients_of(logits) * logits).sum()
        gradient = differentiated(score, probe.activation, f"layer {query.layer}")
        return query.explainer.rule(probe.activation.detach(), gradient), logits.detach()


def of_input(
    model: nn.Module, images: Tensor, query: Query, coefficients_of: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Maps and logits in the space of the input: a whole backward pass, without gradients of parameters."""
    with torch.enable_grad(), frozen(model):
        gradient, logits = input_gradient(partial(predict, model, precision=query.precision), images, coefficients_of)
    return query.explainer.rule(widened(images), widened(gradient)), logits


def of_points(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """Maps pooled over the points that the explainer visits, and the logits of the images themselves.

    What is explained stays the same at every point: the classes, and the coefficients v of a contrast, both those of the
    image; only a target that is a function of the input (`Target.anew`) has its v taken anew.
    """
    forward = partial(predict, model, precision=query.precision)
    with torch.no_grad():
        logits = forward(images)
    chosen = logits.argmax(1) if classes is None else classes
    at_point = partial(coefficients, name=query.target, classes=chosen, subsets=query.subsets)
    of_images = at_point(logits)
    v = at_point if find_target(query.target)[0].anew else lambda _: of_images
    rule, points, pool = query.explainer.rule, query.explainer.points, query.explainer.pool
    assert points is not None
    with torch.enable_grad(), frozen(model):
        gradients = (input_gradient(forward, point, v)[0] for point in points(images))
        return pool(rule(widened(images), widened(g)) for g in gradients), logits


def every_class(model: nn.Module, images: Tensor, query: Query) -> Tensor:
    """Maps of all classes (N,C,h,w) of the target `logit`; see `explainers.all_class_maps`."""
    if query.explainer.space != "layer":
        name = query.explainer.name
        raise UsageError(f"all-class maps: expected an explainer of a layer, got {name}; use grad-cam or hires-cam.")
    closed = query.head is not None and query.explainer.closed is not None
    graph = torch.no_grad() if closed else torch.enable_grad()
    with torch.inference_mode(False), evaluating(model), graph, Probe(model, named(query.layer), guard=not closed) as probe:
        logits = predict(model, images, query.precision)
        if closed:
            return closed_maps(query, probe.activation)
        found = []
        for score in logits.sum(0):
            gradient = differentiated(score, probe.activation, f"layer {query.layer}", again=True)
            found.append(query.explainer.rule(probe.activation.detach(), gradient))
    return torch.stack(found, 1)


def closed_maps(query: Query, activation: Tensor) -> Tensor:
    """The maps of all classes through a GAP + linear head: (N,K,h,w) -> (N,C,h,w)."""
    maps, bias, each = weighted_sums(activation, closed_weights(query, activation)), closed_bias(query), query.explainer.each
    maps = maps if bias is None else maps + bias[:, None, None]
    return maps if each is None else each(maps.flatten(0, 1)).reshape(maps.shape)


def closed_weights(query: Query, activation: Tensor) -> Tensor:
    """The head's weights (C,K) as the rule weighs activations by them."""
    assert isinstance(query.head, nn.Linear)
    weights = widened(query.head.weight.detach())
    return weights if query.explainer.closed == "sum" else weights / (activation.shape[2] * activation.shape[3])


def closed_bias(query: Query) -> Tensor | None:
    """The head's bias (C,) where the rule adds it to every cell; None where it does not, or where there is none."""
    assert isinstance(query.head, nn.Linear)
    bias = query.head.bias
    return widened(bias.detach()) if query.explainer.biased and bias is not None else None


def predict(model: Callable[[Tensor], Any], images: Tensor, precision: str) -> Tensor:
    """Logits (N,C) in at least float32; `bf16` runs the model under autocast.

    Raises: UsageError for an unknown precision or an output that is not (N,C), NotFiniteError where it is not finite.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"expected precision {' or '.join(PRECISIONS)}, got {precision!r}.")
    with torch.autocast(images.device.type, torch.bfloat16, enabled=PRECISIONS[precision]):
        logits = logits_of(model(images))
    if not bool(torch.isfinite(logits).all()):
        bad = int((~torch.isfinite(logits)).any(1).sum())
        raise NotFiniteError(
            f"expected finite logits, got NaN or infinity for {bad} of {len(logits)} images; check the weights."
        )
    return widened(logits)


def named(layer: str | None) -> str:
    """The layer's name. Raises: UsageError where an explainer of a layer is asked without one."""
    if layer is None:
        raise UsageError("this explainer needs a layer; name one, or let default_layer choose.")
    return layer
