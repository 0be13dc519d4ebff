"""(j) Explainers of masked images against the forward passes that they make: the same batches, nothing else."""

from __future__ import annotations

import torch

from benchmarks.pairs import interleave, show
from benchmarks.settings import Settings, images, resnet50
from cambench.explainers.batch import explain_batch
from cambench.models import for_inference

LAYER = "layer1.0.conv1"
"""64 channels."""
EXPLAINERS = ("score-cam", "occlusion:stride=0.125,window=0.25", "rise:masks=64")
IMAGES = 2


def run(settings: Settings) -> None:
    """Print the ratio of each."""
    model, x = for_inference(resnet50(), layer=LAYER), images(IMAGES)
    sizes: list[int] = []
    for explainer in EXPLAINERS:
        sizes.clear()
        with model.register_forward_hook(lambda module, given, made: sizes.append(len(made))):
            explain_batch(model, x, explainer=explainer, layer=LAYER)
        batches = [images(n) for n in sizes]

        def floor(batches: list[torch.Tensor] = batches) -> None:
            with torch.inference_mode():
                for batch in batches:
                    model(batch)

        name, passes = explainer.partition(":")[0], f"its {sum(sizes)} forward passes"
        contestants = {passes: floor, name: lambda of=explainer: explain_batch(model, x, explainer=of, layer=LAYER)}
        times = interleave(contestants, settings.rounds)
        show(f"(j) {explainer} of {IMAGES} images, batches {sizes}", times, passes, {name: 1.05})
