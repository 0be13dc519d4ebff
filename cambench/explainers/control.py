"""Maps that know nothing, against which a metric's value means something."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def random(activation: Tensor, images: Tensor) -> Tensor:
    """Independent uniform numbers in [0, 1) at the layer's grid; an image's map follows from its pixels alone.

    activation (N,K,h,w) gives the grid, images (N,3,H,W) the seeds -> (N,h,w). The map of an image does not depend on its
    batch, the network's weights or the run.
    """
    grid = activation.shape[2:]
    maps = [torch.rand(grid, generator=torch.Generator().manual_seed(digest(image))) for image in images]
    return torch.stack(maps).to(activation.device)


WIDTH = 60 / 224
"""σ of `center` as a share of the image's side."""


def center(activation: Tensor, images: Tensor) -> Tensor:
    """exp(−((x − x̄)² + (y − ȳ)²)/(2σ²)) around the middle (x̄, ȳ) of every image, σ = 60/224 of its width and height.

    Source: CALM protocol §6, the image-free check of MaxBoxAccV2. images (N,3,H,W) -> (N,H,W), at the image's own
    resolution.
    """
    n, _, height, width = images.shape
    y, x = (((torch.arange(s, dtype=torch.float64) - (s - 1) / 2) / (WIDTH * s)).square() for s in (height, width))
    return torch.exp(-(y[:, None] + x) / 2).expand(n, height, width).to(activation.device)


def digest(image: Tensor) -> int:
    """A 63-bit seed from an image's pixels, coarsely rounded, so that another device gives the same."""
    coarse = (image.float() * 32).round().to(torch.int16).cpu().numpy()
    return int.from_bytes(hashlib.blake2b(coarse.tobytes(), digest_size=8).digest(), "big") >> 1
