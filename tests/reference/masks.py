"""Score-CAM and its variants, occlusion and RISE of one image, mask by mask, each masked image by itself."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

Score = Callable[[Tensor], float]
"""The image (3,H,W) -> the number that is explained."""


def upsampled(plane: Tensor, size: tuple[int, int]) -> Tensor:
    """A plane (h,w) at another size, bilinear, pixel by pixel: half-pixel centres, edge pixels repeated."""
    h, w = plane.shape
    out = torch.zeros(size, dtype=plane.dtype)
    for i in range(size[0]):
        for j in range(size[1]):
            y = min(max((i + 0.5) * h / size[0] - 0.5, 0), h - 1)
            x = min(max((j + 0.5) * w / size[1] - 0.5, 0), w - 1)
            a, b = min(math.floor(y), max(h - 2, 0)), min(math.floor(x), max(w - 2, 0))
            for p, q in ((a, b), (a, b + 1), (a + 1, b), (a + 1, b + 1)):
                if p < h and q < w:
                    out[i, j] += (1 - abs(y - p)) * (1 - abs(x - q)) * plane[p, q]
    return out


def activation(model: nn.Module, layer: nn.Module, x: Tensor) -> Tensor:
    """What a layer makes of one image (3,H,W): (K,h,w)."""
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, given, made: kept.append(made.detach().clone()))
    with torch.no_grad():
        model(x[None])
    handle.remove()
    return kept[0][0]


def channel_masks(maps: Tensor, size: tuple[int, int]) -> list[Tensor]:
    """Each channel at the image's size, between 0 and 1; a constant one hides everything."""
    masks = []
    for channel in maps:
        up = interpolate(channel[None, None], size=size, mode="bilinear")[0, 0]
        low, high = float(up.min()), float(up.max())
        masks.append((up - low) / (high - low) if high > low else torch.zeros_like(up))
    return masks


def score_cam(score: Score, x: Tensor, maps: Tensor, variants: Callable[[int, Tensor], list[Tensor]]) -> Tensor:
    """Σ_k softmax_k(mean of the increases of channel k)·A_k; variants(k, mask) are the masks that ask about channel k."""
    increases = []
    for k, mask in enumerate(channel_masks(maps, (x.shape[1], x.shape[2]))):
        asked = variants(k, mask)
        increases.append(sum(score(x * one) - score(x) for one in asked) / len(asked))
    total = sum(math.exp(increase) for increase in increases)
    return sum((math.exp(c) / total * a for c, a in zip(increases, maps, strict=True)), start=torch.zeros_like(maps[0]))


def occlusion(score: Score, x: Tensor, window: int, stride: int, baseline: Tensor) -> Tensor:
    """Each pixel: the mean fall of the score over the windows that cover it; windows may reach over the edge."""
    _, height, width = x.shape
    falls, times = torch.zeros(height, width, dtype=x.dtype), torch.zeros(height, width, dtype=x.dtype)
    for top in range(0, math.ceil((height - window) / stride) * stride + 1, stride):
        for left in range(0, math.ceil((width - window) / stride) * stride + 1, stride):
            hidden = x.clone()
            for i in range(top, min(top + window, height)):
                for j in range(left, min(left + window, width)):
                    hidden[:, i, j] = baseline
            fall = score(x) - score(hidden)
            falls[top : top + window, left : left + window] += fall
            times[top : top + window, left : left + window] += 1
    return falls / times


def rise_mask(grid: Tensor, size: tuple[int, int], shift: tuple[int, int]) -> Tensor:
    """A grid (s,s) stretched to (s + 1) cells of ⌈H/s⌉ × ⌈W/s⌉ pixels, of which H × W are cut out from `shift` on."""
    side = len(grid)
    cell = (math.ceil(size[0] / side), math.ceil(size[1] / side))
    large = upsampled(grid, ((side + 1) * cell[0], (side + 1) * cell[1]))
    return large[shift[0] : shift[0] + size[0], shift[1] : shift[1] + size[1]]


def rise(score: Score, x: Tensor, masks: list[Tensor], p: float) -> Tensor:
    """1/(p·N)·Σ_i S(x ⊙ M_i)·M_i."""
    return sum((score(x * mask) * mask for mask in masks), start=torch.zeros_like(masks[0])) / (p * len(masks))
