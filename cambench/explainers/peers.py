"""Maps that another package makes, by its own hooks and in its own way: torchcam, captum, pytorch-grad-cam (`grad-cam`).

Each runs the network itself, in float32, for one class an image; its random numbers have the seed 0 at every batch. What its
maps have gone through already is said by each rule, and nothing is taken back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cambench.explainers.entry import Prepared
from cambench.explainers.probing.layers import find_layer
from cambench.explainers.probing.layout import Layout, recognise
from cambench.explainers.probing.modes import evaluating, hooked
from cambench.explainers.probing.outputs import described, first_of, logits_of
from cambench.extras import needed
from cambench.vocabulary import UsageError

OF_LAYER = ("LayerGradCam", "LayerGradientXActivation", "GuidedGradCam")
"""Captum's classes that are given a layer."""
WINDOW = 8
"""Captum's occlusion: the window's side is the image's over this, its stride half of that."""


class Logits(nn.Module):
    """A network that returns logits (N,C) and nothing else, as the peers expect of one."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """images (N,3,H,W) -> logits (N,C)."""
        return logits_of(self.network(images))


class Peer(Prepared):
    """A network for a peer: called with images (N,3,H,W) it gives logits (N,C) and keeps the images.

    layer: the module that is explained; layout: how its output lies over the images.
    """

    def __init__(self, network: nn.Module, layer: nn.Module, layout: Layout, package: str) -> None:
        self.network, self.layer, self.layout, self.package = network, layer, layout, package
        self.images = torch.empty(0)

    def __call__(self, images: Tensor) -> Tensor:
        """images (N,3,H,W) -> logits (N,C)."""
        self.images = images
        return logits_of(self.network(images))

    @property
    def reshape(self) -> dict[str, Any]:
        """The argument by which two of the peers take tokens or channels-last outputs as maps."""
        return {} if self.layout.kind == "channels-first" else {"reshape_transform": self.layout.to_map}

    @contextmanager
    def asked(self, made: str) -> Iterator[tuple[nn.Module, Tensor]]:
        """The network and the images for a peer to run and differentiate; nothing of the network is changed.

        Raises: UsageError in one line for whatever the peer raises.
        """
        device = self.images.device
        with ExitStack() as stack:
            stack.enter_context(torch.enable_grad())
            stack.enter_context(trainable(self.network))
            stack.enter_context(torch.random.fork_rng([device] if device.type == "cuda" else []))
            torch.manual_seed(0)
            try:
                yield Logits(self.network).eval(), self.images.detach().clone().requires_grad_()
            except torch.OutOfMemoryError:
                raise
            except Exception as e:  # another package's code may fail in any way
                reason = " ".join(str(e).split())[:200]
                raise UsageError(f"{self.package}: {made} failed: {type(e).__name__}: {reason}") from e


@contextmanager
def trainable(network: nn.Module) -> Iterator[None]:
    """Every parameter requires a gradient, as the peers expect; what it required and its gradient come back on leaving."""
    before = [(p, p.requires_grad, p.grad) for p in network.parameters()]
    try:
        for parameter, _, _ in before:
            parameter.requires_grad_().grad = None
        yield
    finally:
        for parameter, required, gradient in before:
            parameter.requires_grad_(required).grad = gradient


def prepare(model: nn.Module, layer: str, size: int, images: Tensor, *, package: str) -> Peer:
    """A network for a peer, whose layer's output is looked at once.

    Raises: UsageError where the package is missing or the layer gives no map.
    """
    needed(package, package)
    module, layouts = find_layer(model, layer), []

    def watch(watched: nn.Module, arguments: Any, output: Any) -> None:
        first = first_of(output)
        layouts.append((recognise(first, watched, model, images[:1]), first))

    with torch.no_grad(), evaluating(model), hooked({module: watch}):
        model(images[:1])
    layout, output = layouts[-1] if layouts else (None, None)
    if layout is None:
        raise UsageError(f"{package}: layer {layer}: expected an output (N,K,h,w), got {described(output)}; name another.")
    return Peer(model, module, layout, package)


def torchcam(peer: Peer, classes: Tensor, *, made: str) -> Tensor:
    """A CAM of torchcam's: at the layer's grid, after its ReLU (`CAM` has none), without its min-max.

    classes (N,) of the images last seen -> (N,h,w).
    """
    extractors = needed("torchcam.methods", "torchcam")
    with peer.asked(made) as (network, images), getattr(extractors, made)(network, peer.layer, **peer.reshape) as extractor:
        (maps,) = extractor(classes.tolist(), network(images), normalized=False)
    return torch.as_tensor(maps).detach()


def captum(peer: Peer, classes: Tensor, *, made: str) -> Tensor:
    """An attribution of captum's, summed over channels or colours: raw and signed, at the grid of the layer or the image.

    `Saliency` with abs=False; `GuidedGradCam` has its ReLU, at the image's pixels; `IntegratedGradients` has captum's 50
    points from zeros, one of all images at a time; `Occlusion` hides by zeros a window of an eighth of the image's sides, a
    sixteenth further each time.
    classes (N,) of the images last seen -> (N,h,w). Raises: UsageError for a layer that is not (N,K,h,w).
    """
    if made in OF_LAYER and peer.layout.kind != "channels-first":
        raise UsageError(f"captum: {made}: expected a layer with an output (N,K,h,w), got {peer.layout.kind}.")
    method = getattr(needed("captum.attr", "captum"), made)
    sides = [max(1, side // WINDOW) for side in peer.images.shape[2:]]
    windows = {"sliding_window_shapes": (3, *sides), "strides": (3, *(max(1, side // 2) for side in sides))}
    own: dict[str, dict[str, Any]] = {"Saliency": {"abs": False}, "Occlusion": windows}
    own["IntegratedGradients"] = {"internal_batch_size": len(peer.images)}  # else all points at once, 50 graphs
    with peer.asked(made) as (network, images):
        attribution = method(network, peer.layer) if made in OF_LAYER else method(network)
        values: Tensor = attribution.attribute(images, target=classes, **own.get(made, {}))
    return values.detach().sum(1)


def pytorch_grad_cam(peer: Peer, classes: Tensor, *, made: str) -> Tensor:
    """A CAM of pytorch-grad-cam's: after its ReLU, each map between 0 and 1, resized to the image: (N,H,W).

    `FinerCAM` is asked for an image at a time, since it takes one class for all. classes (N,) of the images last seen.
    """
    package = needed("pytorch_grad_cam", "pytorch-grad-cam")
    target = needed("pytorch_grad_cam.utils.model_targets", "pytorch-grad-cam").ClassifierOutputTarget
    with peer.asked(made) as (network, images):
        layers = [] if made == "FullGrad" else [peer.layer]
        extractor = getattr(package, made)(network, layers, **peer.reshape)
        try:
            if made == "FinerCAM":
                pairs = zip(torch.split(images.detach(), 1), classes.tolist(), strict=True)
                maps = [torch.as_tensor(extractor(x.requires_grad_(), target_idx=c))[0] for x, c in pairs]
            else:
                maps = [*torch.as_tensor(extractor(images, [target(c) for c in classes.tolist()]))]
        finally:
            extractor.__exit__(None, None, None)
    return torch.stack(maps).to(classes.device)
