"""The two training views of supervised contrast at 32 px: a batch of the packed array, beside torchvision image by image.

The peer is what a loader's worker does for the papers' code: Pillow picture -> transforms -> normalised tensor, twice.
"""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from benchmarks.pairs import interleave, show
from benchmarks.settings import Settings
from cambench.data.loader import finish
from cambench.data.packed import batch
from cambench.data.plan import Plan
from cambench.data.views import MEAN, STD, View

IMAGES, SIDE = 256, 32
PEER, OURS = "torchvision on Pillow pictures, one by one", "cambench, a batch"
VIEW = View("random-resized-crop", SIDE, scale=(0.2, 1.0), flip=0.5, colour="supcon")


def torchvision() -> v2.Compose:
    """The transforms of a view (ExCon protocol §1.3)."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(SIDE, scale=(0.2, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            v2.RandomGrayscale(0.2),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


def run(settings: Settings) -> None:
    """Time two views of 256 images either way, and print images a second."""
    array = torch.randint(0, 256, (IMAGES, SIDE, SIDE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    rows, twice = tuple(range(IMAGES)), torchvision()
    plan = Plan((rows,), {"one": VIEW, "two": VIEW})

    def ours() -> dict[str, Tensor]:
        return {name: finish(x, plan, rows, name) for name, x in batch(plan, array, rows, torch.device("cpu")).items()}

    def peer() -> list[Tensor]:
        pictures = [Image.fromarray(picture) for picture in array.numpy()]
        return [torch.stack([twice(picture) for picture in pictures]) for _ in plan.views]

    times = interleave({PEER: peer, OURS: ours}, settings.rounds)
    show(f"two views of {IMAGES} images of {SIDE} px (supcon)", times, PEER, {OURS: 0.25})
    print("    images/s: " + ", ".join(f"{name} {IMAGES / measured.seconds:.0f}" for name, measured in times.items()))
