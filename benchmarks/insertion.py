"""(c) Insertion AUC against the forward passes that it makes: the same batches, the same precision, nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from benchmarks.pairs import interleave, show
from benchmarks.settings import Settings, images, resnet50
from cambench.maps import resize
from cambench.metrics.faithfulness import insertion
from cambench.models import for_inference

IMAGES = 2


@dataclass
class Predict:
    """image (N,3,H,W) -> logits (N,C) at a precision; remembers how many images each call had."""

    model: nn.Module
    bf16: bool
    sizes: list[int] = field(default_factory=list)

    def __call__(self, image: Tensor) -> Tensor:
        self.sizes.append(len(image))
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            logits: Tensor = self.model(image)
        return logits.float()


def run(settings: Settings) -> None:
    """Print the ratios at both precisions."""
    fast = {"float32": for_inference(resnet50(), layer="layer4")}
    fast["bf16"] = for_inference(resnet50(), layer="layer4", precision="bf16")
    for precision, model in fast.items():
        compare(Predict(model, precision == "bf16"), precision, settings.rounds)


def compare(predict: Predict, precision: str, rounds: int) -> None:
    """Time the metric and the bare forward passes that it made."""
    x = images(IMAGES)
    heatmap = resize(torch.rand(len(x), 7, 7, generator=torch.Generator().manual_seed(0)), (224, 224))
    label = torch.zeros(len(x), dtype=torch.long)
    insertion.measure(predict, x, heatmap, label)
    sizes = list(predict.sizes)
    batches = [images(n) for n in sizes]
    floor, name = f"its {sum(sizes)} forward passes, {precision}", f"insertion AUC, {precision}"
    times = interleave(
        {
            floor: lambda: [predict(batch) for batch in batches],
            name: lambda: insertion.measure(predict, x, heatmap, label),
        },
        rounds,
    )
    show(f"(c) insertion AUC of {IMAGES} images, batches {sizes}", times, floor, {name: 1.05})
