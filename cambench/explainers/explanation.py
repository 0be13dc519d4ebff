"""From a model and images to raw maps: what the rule of each space is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from cambench.explainers import find_explainer
from cambench.explainers.entry import Prepared, Space
from cambench.explainers.forward import clock, named, predict
from cambench.explainers.full_grad import of_biases
from cambench.explainers.fusion import fuse
from cambench.explainers.gradients import input_gradient
from cambench.explainers.one_pass import ONE_PASS, of_pass, seen_by
from cambench.explainers.probe import Probe, evaluating, frozen
from cambench.explainers.query import Explanation, Query, explanation, of_images
from cambench.explainers.rectifiers import rectifying
from cambench.explainers.tried import of_masked, of_search
from cambench.maps import widened
from cambench.targets import find_target
from cambench.vocabulary import UsageError


def answer(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> Explanation:
    """The explanation of one batch; see `batch.explain_batch`. Of several layers it is their fused one, a pass a layer."""
    if len(query.layers) > 1:
        made = [answer(model, images, replace(query, layer=layer, head=None), classes) for layer in query.layers]
        took = torch.stack([of.seconds for of in made]).sum(0)
        return replace(made[-1], maps=fuse([of.maps for of in made]), seconds=took)
    began = clock(images.device)
    with torch.inference_mode(False), evaluating(model, query.training):
        maps, logits = SPACES[query.explainer.space](model, images, query, classes)
    return explanation(maps, logits, classes, clock(images.device) - began)


def of_layer(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """What `of_pass` makes of one forward pass."""
    seen = seen_by(model, images, query)
    return of_pass(seen, query, classes), seen.logits.detach()


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
        return query.explainer.rule(network, of_images(logits, classes)), logits


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
    gradient, _ = pixel_gradient(model, images, query, of_images(logits, classes))
    return query.explainer.rule(gradient, cam), logits


def of_points(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """Maps pooled over the points that the explainer visits, and the logits of the images themselves.

    What is explained stays the same at every point: the classes, and the coefficients v of a contrast, both those of the
    image; only a target that is a function of the input (`Target.anew`) has its v taken anew.
    """
    forward = partial(predict, model, precision=query.precision)
    with torch.no_grad():
        logits = forward(images)
    at_point = partial(query.coefficients, classes=of_images(logits, classes))
    at_images = at_point(logits)
    v = at_point if find_target(query.explained)[0].anew else lambda _: at_images
    rule, around = query.explainer.rule, query.explainer.around
    assert around is not None
    with torch.enable_grad(), frozen(model):
        gradients = (input_gradient(forward, point, v)[0] for point in around.points(images))
        return around.pool(rule(widened(images), widened(g)) for g in gradients), logits


def of_attention(model: nn.Module, images: Tensor, query: Query, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """rule(the transformer whose attention is kept, v (N,C))."""
    prepare = query.explainer.layer.prepare
    assert prepare is not None
    network = query.head if isinstance(query.head, Prepared) else prepare(model, None, 0, images)
    logits = predict(network, images, query.precision)
    return query.explainer.rule(network, query.coefficients(logits, classes)), logits.detach()


SPACES: dict[Space, Callable[[nn.Module, Tensor, Query, Tensor | None], tuple[Tensor, Tensor]]] = {
    **dict.fromkeys(ONE_PASS, of_layer),
    "input": of_input,
    "input-and-layer": of_both,
    "biases": of_biases,
    "masked": of_masked,
    "search": of_search,
    "latent": of_latent,
    "network": of_network,
    "attention": of_attention,
}
"""What a rule is made of: model, images, query, classes -> maps (N,h,w), logits (N,C). Each says its rule's arguments."""
