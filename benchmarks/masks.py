"""(j) Explainers of masked images against their own forward passes, the same batches and nothing else, and the peers'."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch

from benchmarks import peers
from benchmarks.pairs import interleave, keep
from benchmarks.settings import FILE, Settings, images, passes, resnet18
from cambench.explainers.batch import explain_batch
from cambench.models import for_inference

LAYER = "layer1.0.conv1"
"""64 channels."""
EXPLAINERS = ("score-cam", "rise:masks=32", "occlusion:stride=0.25,window=0.25")
IMAGES = 2
PEERS = {"torchcam": ("torchcam", peers.torchcam), "pytorch-grad-cam": ("pytorch_grad_cam", peers.pytorch_grad_cam)}


def run(settings: Settings) -> None:
    """Print and save the ratio of each, of Score-CAM beside the peers'."""
    plain, x = resnet18(), images(IMAGES)
    model = for_inference(plain, layer=LAYER)
    for explainer in EXPLAINERS:
        of, sizes = explainer.partition(":")[0], []

        def ours(explainer: str = explainer) -> object:
            return explain_batch(model, x, explainer=explainer, layer=LAYER, classes=torch.arange(IMAGES))

        with model.register_forward_hook(lambda module, given, made, sizes=sizes: sizes.append(len(made))):
            ours()
        floor, name = f"its {sum(sizes)} forward passes", f"cambench {of}"
        contestants: dict[str, Callable[[], Any]] = {floor: passes(model, sizes), name: ours}
        if of == "score-cam":
            contestants |= of_peers(plain, x)
        title = f"{explainer} of ResNet-18's {LAYER}, 224 px, {IMAGES} images"
        keep(settings.results / FILE, title, interleave(contestants, settings.rounds), floor, {name: 1.05})


def of_peers(model: torch.nn.Module, x: torch.Tensor) -> dict[str, Callable[[], Any]]:
    """The Score-CAM of each peer that is here."""
    made: dict[str, Callable[[], Any]] = {}
    for peer, (package, call) in PEERS.items():
        if find_spec(package):
            made[f"{peer} score-cam"] = lambda call=call: call(model, x, list(range(len(x))), "ScoreCAM", LAYER)
        else:
            print(f"(j) {peer}: not installed, left out")
    return made
