"""Normalisation: between pixels in [0,1] and network input, one definition for views, metrics and pictures."""

from __future__ import annotations

from torch import Tensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, in RGB; every paper's networks are trained on them."""


def channels(values: tuple[float, ...], like: Tensor) -> Tensor:
    """One number a colour as (3,1,1), in the type and on the device of `like`."""
    return like.new_tensor(values)[:, None, None]


def to_input(pixels: Tensor, mean: tuple[float, ...] = MEAN, std: tuple[float, ...] = STD) -> Tensor:
    """Pixels (N,3,H,W) in [0,1] -> (x − mean)/std."""
    return (pixels - channels(mean, pixels)) / channels(std, pixels)


def to_pixels(image: Tensor, mean: tuple[float, ...] = MEAN, std: tuple[float, ...] = STD) -> Tensor:
    """Network input (N,3,H,W) -> pixels in [0,1], the inverse of `to_input`."""
    return image * channels(std, image) + channels(mean, image)
