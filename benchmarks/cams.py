"""(k) All CAMs of a layer from one pass through the trunk, in units of one Grad-CAM, and the peers' ways to the same maps.

Those that run the network again are aside: Score-CAM (`masks`), and pytorch-grad-cam's Ablation-CAM, 2,048 passes an image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import peers
from benchmarks.pairs import interleave, keep
from benchmarks.settings import FILE, Settings, images, resnet50
from cambench.explainers import find_explainer
from cambench.explainers.batch import explain_batch
from cambench.explainers.index.peers import GRAD_CAM, TORCHCAM
from cambench.explainers.query import Query
from cambench.explainers.several import maps_of_explainers
from cambench.models import for_inference

IMAGES = 2
OF_GRADIENT = ("grad-cam", "hires-cam", "grad-cam++", "xgrad-cam", "layer-cam", "eigen-cam", "eigen-grad-cam")
TWELVE = (*OF_GRADIENT, "cam", "score-map", "ablation-cam", "shapley-cam", "finer-cam")
FLOOR = "cambench Grad-CAM"
PEERS: dict[str, tuple[str, Callable[..., Any], dict[str, str]]] = {
    "torchcam": ("torchcam", peers.torchcam, TORCHCAM),
    "pytorch-grad-cam": (
        "pytorch_grad_cam",
        peers.pytorch_grad_cam,
        {name: made for name, made in GRAD_CAM.items() if name != "ablation-cam"},
    ),
}
"""The peer -> its package, how it is called, and its class of each method."""


def one_pass(model: nn.Module, x: Tensor, layer: str, head: nn.Linear | None, names: Sequence[str]) -> Callable[[], Any]:
    """Our maps of several methods, from one forward pass."""
    queries = [Query(find_explainer(name), layer, head) for name in names]
    return lambda: maps_of_explainers(model, x, queries, torch.arange(len(x)))


def compare(settings: Settings, layer: str, names: Sequence[str]) -> None:
    """Time the methods at a layer, together and, of each peer that is here, those that it has, one by one."""
    model, x = resnet50(), images(IMAGES)
    fast, head = for_inference(model, layer=layer), None
    if layer == "layer4":
        head = fast.get_submodule("fc")
        assert isinstance(head, nn.Linear)
    together = f"cambench {len(names)} CAMs of one pass"
    grad_cam = partial(explain_batch, fast, x, explainer="grad-cam", layer=layer, head=head, classes=torch.arange(len(x)))
    contestants: dict[str, Callable[[], Any]] = {FLOOR: grad_cam, together: one_pass(fast, x, layer, head, names)}
    for peer, (package, call, made) in PEERS.items():
        theirs = [name for name in names if name in made]
        if not find_spec(package):
            print(f"(k) {peer}: not installed, left out")
            continue
        contestants[f"cambench {', '.join(theirs)}"] = one_pass(fast, x, layer, head, theirs)
        contestants[f"{peer} the same {len(theirs)}"] = lambda call=call, made=made, theirs=theirs: [
            call(model, x, list(range(len(x))), made[name], layer) for name in theirs
        ]
    title = f"CAMs of ResNet-50's {layer}, 224 px, batch {IMAGES}"
    keep(settings.results / FILE, title, interleave(contestants, settings.rounds), FLOOR, {together: 1.2})


def run(settings: Settings) -> None:
    """Print and save the ratios at the last maps, and at maps whose head has to be differentiated."""
    compare(settings, "layer4", TWELVE)
    compare(settings, "layer3", OF_GRADIENT)
