"""Augmentations by name: what happens to a whole picture before normalisation, where a window and a flip do not say it all.

What is a window and a change of colours is no pipeline but `views.View.colour`, batched on the device. Rotation, shear and
perspective of whole pictures of any size, by Pillow as in the papers' code, are no windows and stay here.

A pipeline is torchvision's own transforms on the decoded picture, put together from the numbers of a view. What it draws
follows from a seed of that picture alone, and the global generators stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from torchvision.transforms.v2 import Transform

    from cambench.data.views import View


def wang(view: View) -> list[Transform]:
    """Wang & Wang's training transform, in their order; the view gives the size, scale, ratio and horizontal flip.

    Source: weighted contrast, authors' code (weighted-contrast protocol §3.1). Rotation is by the nearest pixel and
    corners are filled with black, torchvision's defaults, since the protocol names no other.
    """
    from torchvision.transforms import InterpolationMode, v2

    return [
        v2.RandomHorizontalFlip(view.flip),
        v2.RandomVerticalFlip(0.5),
        v2.RandomRotation(30),
        v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1),
        v2.RandomAffine(degrees=0, translate=(0.1, 0.1)),
        v2.RandomResizedCrop(view.size, view.scale, view.ratio, InterpolationMode.BILINEAR),
        v2.RandomPerspective(distortion_scale=0.2, p=0.5, interpolation=InterpolationMode.BICUBIC, fill=0),
        v2.RandomGrayscale(0.2),
        v2.RandomApply([v2.GaussianBlur(kernel_size=3, sigma=(0.1, 2.0))], p=0.2),
    ]


INDEX: dict[str, Callable[[View], list[Transform]]] = {
    "wang": wang,
}
"""Name -> the transforms of a view, in order. A name is a kind of view and may be a recipe's `input.augment`."""


@cache
def pipeline(view: View) -> list[Transform]:
    """The transforms of a view, made once."""
    return INDEX[view.kind](view)


def augmented(picture: Image.Image, view: View, seed: int) -> NDArray[np.uint8]:
    """A picture in RGB -> (size,size,3) uint8, a function of the picture, the view and the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the accelerators as well
        for transform in pipeline(view):
            picture = transform(picture)
    return np.asarray(picture)
