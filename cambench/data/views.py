"""Views: how an image becomes network input, as a window of the image, an output size and a normalisation.

Every random number of a view follows from (seed, epoch, view name, row) alone, so neither the order of the rows, nor the
batch size, nor the number of workers can change a crop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cambench import geometry, seeds
from cambench.data import augment, colour
from cambench.geometry import BILINEAR, KERNELS, TRIES, Windows, full_size
from cambench.lookup import canonical, nearest
from cambench.pixels import MEAN, STD, to_input
from cambench.vocabulary import UsageError

RANDOM = ("random-resized-crop", "squash-random-crop")
STILL = ("resize-center-crop", "squash-center-crop", "full", "resize")
"""The views that are the same every time, as an evaluation needs them; whose maps a gallery shows, best first."""
KINDS = (*RANDOM, *STILL, *augment.INDEX)
SLOTS = TRIES + 1
CACHED = 2**18
"""Numbers of float32, 1 MiB, that a CPU's cache has room for a few times."""


@dataclass(frozen=True)
class View:
    """One way to look at an image.

    random-resized-crop: an area of `scale` and a ratio of `ratio`, cut out, then resized to size×size.
    resize-center-crop: shorter side to `resize` (None: size·256/224), then a size×size cut.
    squash-center-crop, squash-random-crop: both sides to `resize`, whatever the ratio, then a size×size cut.
    resize: exactly size×size. full: shorter side to `size`, nothing cut.
    A name of `augment.INDEX`: that pipeline on the whole picture, which no window describes.
    flip: probability of a mirrored image. mean, std: of pixels in [0,1].
    colour: a name of `colour.INDEX`, what becomes of the colours once the window is cut; "" leaves them.
    interpolation: a name of `geometry.KERNELS`.
    """

    kind: str
    size: int
    resize: int | None = None
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.0
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD
    colour: str = ""
    interpolation: str = BILINEAR

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(nearest(self.kind, KINDS, "view"))
        if self.colour and self.colour not in colour.INDEX:
            raise UsageError(nearest(self.colour, colour.INDEX, "colour"))
        if self.interpolation not in KERNELS:
            raise UsageError(nearest(self.interpolation, KERNELS, "interpolation"))
        if self.size < 1 or not 0 <= self.flip <= 1:
            raise UsageError(f"view {self.kind}: expected size >= 1 and flip in [0, 1], got {self.size} and {self.flip}.")
        if self.kind.endswith("crop") and self.shorter < self.size:
            raise UsageError(f"view {self.kind}: expected resize >= size, got {self.resize} and {self.size}.")

    def stored(self) -> Mapping[str, Any]:
        """Its settings for a stored identity, in which bilinear resampling goes without saying."""
        settings = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {k: v for k, v in settings.items() if (k, v) != ("interpolation", BILINEAR)}

    @property
    def shorter(self) -> int:
        """The shorter side before the cut."""
        return self.resize if self.resize is not None else round(self.size * 256 / 224)

    @property
    def random(self) -> bool:
        """True if the view is not the same every time."""
        return self.kind in RANDOM or self.flip > 0 or self.augmented or bool(self.colour)

    @property
    def augmented(self) -> bool:
        """True if a pipeline makes the view, by random numbers of its own."""
        return self.kind in augment.INDEX


def check_still(kind: str) -> None:
    """Raises: UsageError for a view that there is not, or that is not the same every time."""
    if kind not in STILL:
        raise UsageError(nearest(kind, STILL, "view"))


def in_words(view: View) -> str:
    """What a view that is the same every time shows of an image, for whoever looks at a picture of it."""
    size, resized = f"{view.size}×{view.size}", f"{view.shorter}×{view.shorter}"
    return {
        "resize-center-crop": f"the middle {size} pixels of each image, its shorter side first resized to {view.shorter}",
        "squash-center-crop": f"the middle {size} pixels of each image, first squeezed to {resized} whatever its shape",
        "resize": f"each whole image squeezed to {size} pixels, distorted where it is not square",
        "full": f"each whole image, its shorter side resized to {view.size} pixels",
    }.get(view.kind, view.kind)


def altered(view: View, name: str) -> View:
    """The random view under an augmentation: its colours change (`colour.INDEX`), or a pipeline makes it (`augment.INDEX`).

    Raises: UsageError if there is none of that name; "" leaves the view as it is.
    """
    augmentation = canonical(name)
    if augmentation in colour.INDEX:
        return replace(view, colour=augmentation)
    if augmentation and augmentation not in augment.INDEX:
        raise UsageError(nearest(name, (*colour.INDEX, *augment.INDEX), "augmentation"))
    return replace(view, kind=augmentation) if augmentation else view


def draws(rows: Tensor, *, seed: int, epoch: int, view: str) -> Tensor:
    """(N, 11, 4) uniform numbers in [0,1) for the rows (N,) of a data set: ten tries of a crop, then the flip in [:, 10, 0].

    SplitMix64 (Steele, Lea, Flood 2014) started at a key of (seed, view, epoch), read at position row·44 + slot.
    """
    slots = np.arange(1, SLOTS * 4 + 1, dtype=np.uint64)
    counter = rows.numpy().astype(np.uint64)[:, None] * np.uint64(SLOTS * 4) + slots
    z: NDArray[np.uint64] = np.uint64(seeds.derive(seed, "view", view, epoch)) + counter * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = (z ^ (z >> np.uint64(31))) >> np.uint64(11)
    return torch.from_numpy(z.astype(np.float64) * 2.0**-53).reshape(len(rows), SLOTS, 4)


def windows(view: View, heights: Tensor, widths: Tensor, uniform: Tensor | None = None) -> tuple[Windows, Tensor]:
    """The windows of N images and their output sizes (N,2) as (height, width).

    heights, widths: (N,) pixels. uniform: (N,11,4) of `draws`, which a random view needs.
    Raises: UsageError if a random view gets none, or for an augmentation, which moves pixels as no window does.
    """
    if view.augmented:
        raise UsageError(f"view {view.kind}: expected a window, for masks, boxes or parts to follow; got a pipeline.")
    if view.random and uniform is None:
        raise UsageError(f"view {view.kind}: expected random numbers, got none; a random view is for training.")
    h, w = heights.double(), widths.double()
    square = torch.full((len(h), 2), view.size)
    if view.kind == "random-resized-crop" and uniform is not None:
        cuts = geometry.random_resized_crop(uniform[:, :TRIES], h, w, view.scale, view.ratio)
    elif view.kind == "resize-center-crop":
        cuts = geometry.resize_center_crop(h, w, view.shorter, view.size)
    elif view.kind.startswith("squash"):
        cuts = squash_crop(view, h, w, uniform)
    else:
        zero = torch.zeros_like(h)
        cuts = Windows(zero, zero, h, w, zero.bool(), clipped=False)
        square = full_size(h, w, view.size) if view.kind == "full" else square
    if view.flip and uniform is not None:
        cuts = replace(cuts, flip=uniform[:, TRIES, 0] < view.flip)
    return cuts, square


def squash_crop(view: View, height: Tensor, width: Tensor, uniform: Tensor | None) -> Windows:
    """Resize both sides to `view.shorter`, then cut size×size pixels.

    At a uniform place, uniform[:, 0, 2:] being its top and left, or (squash-center-crop) in the middle, as torchvision
    rounds it.
    """
    if view.kind == "squash-center-crop" or uniform is None:
        corners = torch.full((len(height), 2), round((view.shorter - view.size) / 2))
    else:
        corners = (uniform[:, 0, 2:] * (view.shorter - view.size + 1)).floor()
    scale = torch.stack([height, width], 1) / view.shorter
    top, left = (corners * scale).unbind(1)
    tall, wide = (view.size * scale).unbind(1)
    return Windows(top, left, tall, wide, torch.zeros(len(height), dtype=torch.bool), clipped=False)


def normalise(pixels: Tensor, view: View) -> Tensor:
    """(N,3,H,W) in [0,255], uint8 or float32 -> (x/255 − mean)/std in float32.

    On a CPU a few images at a time, so that what is computed between finds room in its cache.
    """
    image = torch.empty(pixels.shape, device=pixels.device)
    at_once = max(1, CACHED * len(pixels) // pixels.numel()) if pixels.is_cpu else len(pixels)
    for source, part in zip(torch.split(pixels, at_once), torch.split(image, at_once), strict=True):
        to_input(part.copy_(source).div_(255), view.mean, view.std, inplace=True)
    return image
