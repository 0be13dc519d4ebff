"""Normalisation: between pixels in [0,1] and network input, one definition for views, metrics and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

Colours = tuple[float, float, float]
"""A number for red, green and blue."""


class Normalisation(NamedTuple):
    """x -> (x − mean)/std, colour by colour, of pixels in [0,1]."""

    mean: Colours
    std: Colours


IMAGENET = "imagenet"
NORMALISATIONS: dict[str, Normalisation] = {
    IMAGENET: Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar100": Normalisation((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
    "tiny-imagenet": Normalisation((0.4802, 0.4481, 0.3975), (0.2302, 0.2265, 0.2262)),
}
"""By the name that a recipe gives (`input.normalisation`). ImageNet's: torchvision's weights are trained on it. The others:
the code (ExCon protocol §1.3)."""
DEFAULT = NORMALISATIONS[IMAGENET]
RAW = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""None at all."""
MEAN, STD = DEFAULT


def normalisation_of(recipe: Mapping[str, Any]) -> Normalisation:
    """The normalisation of a stored recipe's `input`: a name, or the numbers themselves; ImageNet's goes without saying."""
    stored = recipe.get("normalisation", IMAGENET)
    if isinstance(stored, str):
        return NORMALISATIONS[stored]
    mean, std = ((red, green, blue) for red, green, blue in (stored["mean"], stored["std"]))
    return Normalisation(mean, std)


def channels(values: tuple[float, ...], like: Tensor) -> Tensor:
    """One number a colour as (3,1,1), in the type and on the device of `like`."""
    return like.new_tensor(values)[:, None, None]


def to_input(
    pixels: Tensor, mean: tuple[float, ...] = MEAN, std: tuple[float, ...] = STD, *, inplace: bool = False
) -> Tensor:
    """Pixels (N,3,H,W) in [0,1] -> (x − mean)/std, with `inplace` where the pixels were."""
    shifted = pixels.sub_(channels(mean, pixels)) if inplace else pixels - channels(mean, pixels)
    return shifted.div_(channels(std, pixels))


def to_pixels(image: Tensor, mean: tuple[float, ...] = MEAN, std: tuple[float, ...] = STD) -> Tensor:
    """Network input (N,3,H,W) -> pixels in [0,1], the inverse of `to_input`."""
    return image * channels(std, image) + channels(mean, image)
