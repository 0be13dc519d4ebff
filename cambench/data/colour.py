"""Colour augmentation of a whole batch on its device, every image by numbers of its own.

The formulas are torchvision's for float images, and what is drawn is distributed as by its transforms. Departure from the
papers' code, which runs them on Pillow's images: there every step rounds to whole grey values, and a hue has 256 steps (on
noise up to 15 of 255 off, below 3 in the mean); here nothing is rounded. The crop is the view's window: it resizes as Pillow
does, antialias included, and that of a packed image is not rounded either (`geometry.resample`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor

GREY = (0.2989, 0.587, 0.114)
Change = Callable[[Tensor, Tensor], Tensor]
"""(N,3,H,W) in [0,1] and a factor an image (N,1,1,1) -> (N,3,H,W) in [0,1]."""


def luma(x: Tensor) -> Tensor:
    """0.2989·R + 0.587·G + 0.114·B: (N,3,H,W) -> (N,1,H,W). Source: ITU-R BT.601, with torchvision's four digits."""
    red, green, blue = x.chunk(3, 1)
    return (GREY[0] * red).add_(green, alpha=GREY[1]).add_(blue, alpha=GREY[2])


def brightness(x: Tensor, factor: Tensor) -> Tensor:
    """min(f·x, 1): (N,3,H,W) in [0,1], f (N,1,1,1) >= 0 -> (N,3,H,W)."""
    return (factor * x).clamp_(max=1)


def contrast(x: Tensor, factor: Tensor) -> Tensor:
    """f·x + (1 − f)·m within [0,1], m the mean grey value of the image: (N,3,H,W) in [0,1], f (N,1,1,1) -> (N,3,H,W)."""
    return (factor * x).add_((1 - factor) * luma(x).mean((2, 3), keepdim=True)).clamp_(0, 1)


def saturation(x: Tensor, factor: Tensor) -> Tensor:
    """f·x + (1 − f)·luma(x) within [0,1]: (N,3,H,W) in [0,1], f (N,1,1,1) -> (N,3,H,W). At f = 0 the image turns grey."""
    return (factor * x).add_((1 - factor) * luma(x)).clamp_(0, 1)


def hue(x: Tensor, shift: Tensor) -> Tensor:
    """The hue turned by `shift` of a full circle; value v = max x and chroma c = max x − min x stay as they are.

    out = v − c·min(max(2 − |k|, 0), 1), k = h + 6·shift + n within ±3, modulo 6; h the hue in sixths of the circle, and
    n = 3, 1, −1 for red, green, blue. Source: the HSV cone (Smith 1978), its inverse written per colour. Grey pixels stay.
    (N,3,H,W) in [0,1], shift (N,1,1,1) -> (N,3,H,W).
    """
    red, green, blue = x.chunk(3, 1)
    value, low = torch.maximum(torch.maximum(red, green), blue), torch.minimum(torch.minimum(red, green), blue)
    chroma = value - low
    sixths = torch.where(
        value == red,
        green - blue,
        torch.where(value == green, (blue - red).add_(chroma, alpha=2), (red - green).add_(chroma, alpha=4)),
    ).div_(chroma.clamp(min=torch.finfo(x.dtype).tiny))
    k = sixths + (x.new_tensor([3, 1, -1])[:, None, None] + 6 * shift)
    k.sub_((k / 6).round_(), alpha=6)  # as `remainder`, at a fourth of its time on a CPU
    return k.abs_().neg_().add_(2).clamp_(0, 1).mul_(chroma).neg_().add_(value)


CHANGES: tuple[Change, ...] = (brightness, contrast, saturation, hue)
ORDERS = torch.tensor(list(permutations(range(len(CHANGES)))))


@dataclass(frozen=True)
class Jitter:
    """With probability `p` the four changes in random order, then grey with probability `grey`.

    strengths: of brightness, contrast, saturation (factors in 1 ± s, at least 0) and hue (shifts in ± s).
    """

    strengths: tuple[float, float, float, float]
    p: float
    grey: float


@dataclass(frozen=True)
class Drawn:
    """What N images drew: the order of the changes and their factors (N,4), who is changed and who turns grey (N,) bool."""

    order: Tensor
    factors: Tensor
    changed: Tensor
    grey: Tensor


INDEX: dict[str, Jitter] = {
    "supcon": Jitter((0.4, 0.4, 0.4, 0.1), p=0.8, grey=0.2),
}
"""Name -> what is drawn. A name may be a recipe's `input.augment`; the view gives crop and flip (ExCon protocol §1.3)."""


def draw(jitter: Jitter, uniform: Tensor) -> Drawn:
    """What follows from uniform numbers in [0,1), on their device.

    uniform: (N,7 or more), of every image whether it is changed, four factors, their order, whether it turns grey.
    """
    strengths = uniform.new_tensor(jitter.strengths)
    middle = uniform.new_tensor([1.0, 1.0, 1.0, 0.0])
    low = torch.cat([(middle - strengths)[:3].clamp(min=0), -strengths[3:]])
    factors = low + (middle + strengths - low) * uniform[:, 1:5]
    order = ORDERS.to(uniform.device)[(uniform[:, 5] * len(ORDERS)).long()]
    return Drawn(order, factors, uniform[:, 0] < jitter.p, uniform[:, 6] < jitter.grey)


def coloured(x: Tensor, drawn: Drawn) -> Tensor:
    """The images (N,3,H,W) in [0,1], each with the changes that it drew, in its order; `drawn` lies on the CPU.

    Images that take the same change at the same place go together; their rows are known on the CPU, so that nothing waits
    for the device.
    """
    groups: list[tuple[Change, Tensor, Tensor]] = []
    for place in range(len(CHANGES)):
        for i, change in enumerate(CHANGES):
            rows = (drawn.changed & (drawn.order[:, place] == i)).nonzero()[:, 0]
            groups.append((change, rows, drawn.factors[rows, i]))
    rows = drawn.grey.nonzero()[:, 0]
    groups.append((saturation, rows, torch.zeros(len(rows), dtype=torch.float64)))
    counts = [len(rows) for _, rows, _ in groups]
    moved = torch.cat([rows for _, rows, _ in groups]).to(x.device, non_blocking=True)
    factors = torch.cat([f for _, _, f in groups]).to(x.device, x.dtype, non_blocking=True)[:, None, None, None]
    x = x.clone()
    for (change, _, _), at, factor in zip(groups, torch.split(moved, counts), torch.split(factors, counts), strict=True):
        if len(at):
            x.index_copy_(0, at, change(x[at], factor))
    return x
