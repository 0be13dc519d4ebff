"""The masks of explainers that ask about masked images: windows, random grids, channels of a layer.

What an image does not show is 0 in normalised space, the mean colour of the training images, where nothing else is said.
Random masks follow from an image's pixels alone, drawn on the CPU, so its map depends on neither batch nor device.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from cambench import seeds
from cambench.explainers.control import digest
from cambench.explainers.masks import ChannelMasks, Masks
from cambench.maps import min_max, resize, widened
from cambench.vocabulary import UsageError

Baseline = Literal["zero", "mean"]


def channels(images: Tensor, activation: Tensor) -> ChannelMasks:
    """M_k = minmax(U(A_k)), U bilinear to the image's size; a constant channel hides everything.

    Source: Wang et al. 2020, Score-CAM §3. images (N,3,H,W), activation (N,K,h,w) -> K masks.
    """
    images, size = widened(images), (images.shape[2], images.shape[3])

    def make(n: Tensor, m: Tensor) -> Tensor:
        return min_max(resize(activation[n, m], size))

    return ChannelMasks(images, activation.shape[1], make, nothing(images), activation)


def smoothed(images: Tensor, activation: Tensor, *, samples: int = 35, sigma: float = 2.0) -> ChannelMasks:
    """M_k + ε_i, ε_i ~ N(0, σ²) in every pixel, i = 1 … samples, of Score-CAM's M_k.

    Source: Wang et al. 2020, SS-CAM, which smooths the channels; noise on M_k at the image's size, n = 35 and σ = 2 as in
    torchcam. images (N,3,H,W), activation (N,K,h,w) -> K·samples masks.
    """
    plain, digests = channels(images, activation), [digest(image) for image in images]

    def make(n: Tensor, m: Tensor) -> Tensor:
        size, pairs = plain.images.shape[2:], zip(n.tolist(), m.tolist(), strict=True)
        noise = [torch.randn(size, generator=seeds.generator("ss-cam", digests[i], j)) for i, j in pairs]
        return plain.make(n, m // samples) + sigma * torch.stack(noise).to(plain.images)

    return ChannelMasks(plain.images, plain.count * samples, make, plain.behind, activation)


def integrated(images: Tensor, activation: Tensor, *, samples: int = 10) -> ChannelMasks:
    """Σ_{j ≤ i} j/n·M_k for i = 1 … n of Score-CAM's M_k, n = samples: the mask grows, and in the end outgrows 1.

    Source: Naidu et al. 2020, IS-CAM, as in torchcam. images (N,3,H,W), activation (N,K,h,w) -> K·samples masks.
    """
    plain = channels(images, activation)
    factors = torch.arange(1, samples + 1, device=images.device).cumsum(0) / samples

    def make(n: Tensor, m: Tensor) -> Tensor:
        return factors.to(plain.images)[m % samples, None, None] * plain.make(n, m // samples)

    return ChannelMasks(plain.images, plain.count * samples, make, plain.behind, activation)


def windows(images: Tensor, *, window: float = 0.125, stride: float = 0.0625, baseline: Baseline = "zero") -> Masks:
    """0 in a square, 1 elsewhere; the square moves over the image, and at the last row and column may reach over the edge.

    window, stride: shares of the shorter side, in whole pixels, at least one. Source: Zeiler & Fergus 2014, §4.2, whose
    square is gray. images (N,3,H,W) -> a mask a place.
    Raises: UsageError for a stride above the window, which leaves pixels that are never hidden.
    """
    images, (height, width) = widened(images), images.shape[2:]
    side, step = (max(1, round(share * min(height, width))) for share in (window, stride))
    if step > side:
        raise UsageError(f"occlusion: expected a stride of at most the window, got {stride} and {window}.")
    rows, columns = (hidden(length, side, step).to(images.device) for length in (height, width))

    def make(n: Tensor, m: Tensor) -> Tensor:
        return 1 - (rows[m // len(columns), :, None] & columns[m % len(columns), None]).to(images)

    behind = images.mean((2, 3), keepdim=True) if baseline == "mean" else nothing(images)
    return Masks(images, len(rows) * len(columns), make, behind)


def places(length: int, side: int, step: int) -> int:
    """How many windows of so many pixels begin along a line of an image, one every `step` pixels."""
    return math.ceil((length - side) / step) + 1


def hidden(length: int, side: int, step: int) -> Tensor:
    """Which pixels of a line (P,length) bool the window hides at each of its P places."""
    start, pixel = torch.arange(places(length, side, step))[:, None] * step, torch.arange(length)
    return (pixel >= start) & (pixel < start + side)


def random_grids(images: Tensor, *, masks: int = 8000, grid: int = 7, p: float = 0.5) -> Masks:
    """s×s cells, each 1 with probability p, stretched bilinearly to (s + 1)·⌈H/s⌉ × (s + 1)·⌈W/s⌉, cut to H×W at random.

    Source: Petsiuk et al. 2018, RISE §3.2 and its code (cells rounded up, so that they cover the image); s = 7, p = ½ and
    8,000 masks, as for its ResNet-50. images (N,3,H,W) -> `masks` masks, others for each image.
    """
    images, sizes = widened(images), images.shape[2:]
    cells, shifts = [], []
    for image in images:
        generator = torch.Generator().manual_seed(digest(image))
        cells.append(torch.rand(masks, grid, grid, generator=generator) < p)
        shifts.append([torch.randint(math.ceil(size / grid), (masks,), generator=generator) for size in sizes])
    on = torch.stack(cells).to(images)
    down, across = (torch.stack([shift[axis] for shift in shifts]).to(images.device) for axis in (0, 1))

    def make(n: Tensor, m: Tensor) -> Tensor:
        rows, columns = (stretch(shift[n, m], size, grid, images) for shift, size in zip((down, across), sizes, strict=True))
        return rows @ on[n, m] @ columns.mT

    return Masks(images, masks, make, nothing(images))


def stretch(shift: Tensor, size: int, grid: int, like: Tensor) -> Tensor:
    """What each of `size` pixels, from `shift` (B,) on, takes of each cell of a stretched line: (B,size,grid), bilinear.

    Pixel i lies at u = (i + shift + ½)·s/((s + 1)·⌈size/s⌉) − ½, kept within 0 … s − 1, and takes max(0, 1 − |u − j|) of
    cell j.
    """
    pixel = shift[:, None] + torch.arange(size, device=like.device)
    u = ((pixel.to(like) + 0.5) * grid / ((grid + 1) * math.ceil(size / grid)) - 0.5).clamp(0, grid - 1)
    return (1 - (u[..., None] - torch.arange(grid, device=like.device)).abs()).clamp(min=0)


def nothing(images: Tensor) -> Tensor:
    """Zeros (N,3,1,1): the mean colour."""
    return images.new_zeros(*images.shape[:2], 1, 1)
