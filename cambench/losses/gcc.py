"""GCC: the Grad-CAM of an image must stay itself where the image is one tile of four (rivals protocol §1)."""

from __future__ import annotations

import torch
from torch import Tensor

from cambench import maps
from cambench.vocabulary import UsageError


def heatmap(raw: Tensor) -> Tensor:
    """M = R/(ΣR + 1e-8) + 1e-8 with R = ReLU(raw), at the layer's own grid.

    Source: rivals protocol §1.2. raw (N,h,w), signed -> (N,h,w), positive, each summing to about 1, in at least float32.
    """
    return maps.sum_to_one_epsilon(maps.relu(maps.widened(raw)))


def composite(image: Tensor, negatives: Tensor, quadrant: Tensor) -> Tensor:
    """X, twice as high and wide: tile q is the image itself, the other three are its negatives in their order.

    Source: rivals protocol §1.1, q = 2·row + column. image (N,3,H,W), negatives (3N,3,H,W), three in turn for each image,
    quadrant (N,) in 0…3 -> (N,3,2H,2W).
    """
    n, channels, height, width = image.shape
    tile = torch.arange(4, device=image.device).expand(n, 4)
    own = tile == quadrant[:, None]
    beside = (tile - (tile > quadrant[:, None]).long()).clamp(max=2)
    tiles = torch.cat([negatives.reshape(n, 3, channels, height, width), image[:, None]], 1)
    grid = tiles[torch.arange(n, device=image.device)[:, None], torch.where(own, 3, beside)]
    grid = grid.reshape(n, 2, 2, channels, height, width)
    return grid.permute(0, 3, 1, 4, 2, 5).reshape(n, channels, 2 * height, 2 * width)


def gcc_loss(of_image: Tensor, of_composite: Tensor, quadrant: Tensor) -> Tensor:
    """L_GC = mean over batch and cells of |M(X) − T|, T zero but in quadrant q, where it is M(x); nothing is detached.

    Source: rivals protocol §1.3. of_image (N,h,w) and of_composite (N,2h,2w): raw signed maps, quadrant (N,) in 0…3 -> ().
    Raises: UsageError where the composite's grid is not twice the image's.
    """
    n, h, w = of_image.shape
    if of_composite.shape != (n, 2 * h, 2 * w):
        raise UsageError(
            f"GCC: expected a map of {2 * h}×{2 * w} of the composite, twice the image's {h}×{w}, got "
            f"{'×'.join(map(str, of_composite.shape[1:]))}; set an input.size that the network's strides divide."
        )
    with torch.autocast(of_image.device.type, enabled=False):
        quadrants = heatmap(of_composite).reshape(n, 2, h, 2, w).transpose(2, 3).flatten(1, 2)
        own = torch.arange(4, device=quadrant.device) == quadrant[:, None]
        target = torch.where(own[..., None, None], heatmap(of_image)[:, None], 0.0)
        return (quadrants - target).abs().mean()
