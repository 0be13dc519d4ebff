"""Geometric transforms as windows: crop, resize and flip of images, heatmaps, masks and boxes by one rule.

A window is a rectangle (top, left, height, width) of the source, in pixels and possibly fractional, that is resized to the
output. Resizing is linear and separable, so a window is two small matrices: out = Ry · x · Rxᵀ. They reproduce
Pillow (antialias) and `F.interpolate(align_corners=False)` (no antialias), are differentiable to any order, and compose:
a 7×7 map up-sampled, cropped and resized again is one pair of 224×7 matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

TRIES = 10
BILINEAR = "bilinear"
FIELDS = ("top", "left", "height", "width", "flip")
"""The tensors of `Windows`."""


@dataclass(frozen=True)
class Windows:
    """N windows. top, left, height, width: (N,) float64; flip: (N,) bool, applied last.

    `clipped`: True where only pixels inside the window may be read (crop, then resize), False where the filter may look
    past its edge (resize, then crop).
    """

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    flip: Tensor
    clipped: bool = True

    def __len__(self) -> int:
        return len(self.top)

    def __getitem__(self, rows: slice) -> Windows:
        return replace(self, **{name: getattr(self, name)[rows] for name in FIELDS})

    def to(self, device: torch.device | str) -> Windows:
        """The same windows on another device, where their matrices are then built too."""
        return replace(self, **{name: getattr(self, name).to(device) for name in FIELDS})


def whole(n: int, height: int, width: int) -> Windows:
    """N windows that take the whole image, unflipped."""
    zero = torch.zeros(n, dtype=torch.float64)
    return Windows(zero, zero, zero + height, zero + width, zero.bool(), clipped=False)


def scaled(windows: Windows, source: tuple[int, int], size: tuple[int, int]) -> Windows:
    """Windows of a source of one size as windows of another, outward to whole pixels; as they are where the sizes agree."""
    if size == source:
        return windows
    top = (windows.top * size[0] / source[0]).floor()
    left = (windows.left * size[1] / source[1]).floor()
    tall = ((windows.top + windows.height) * size[0] / source[0]).ceil() - top
    wide = ((windows.left + windows.width) * size[1] / source[1]).ceil() - left
    return replace(windows, top=top, left=left, height=tall, width=wide)


def uniforms(n: int, generator: torch.Generator) -> Tensor:
    """(N, 10, 4) uniform numbers: all that `random_resized_crop` draws for N images."""
    return torch.rand(n, TRIES, 4, generator=generator, dtype=torch.float64)


def random_resized_crop(
    uniform: Tensor,
    height: Tensor,
    width: Tensor,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Windows:
    """The crop of Inception training: area = U(scale)·H·W, log aspect = U(log ratio), ten tries, else the central crop.

    Source: the behaviour of torchvision's RandomResizedCrop. uniform: (N,10,4) in [0,1): area, aspect, top, left;
    height, width: (N,). Returns unflipped windows of whole pixels.
    """
    height, width = height.double(), width.double()
    low, high = torch.log(torch.tensor(ratio, dtype=torch.float64))
    area = (scale[0] + (scale[1] - scale[0]) * uniform[..., 0]) * (height * width)[:, None]
    aspect = torch.exp(low + (high - low) * uniform[..., 1])
    w, h = torch.sqrt(area * aspect).round(), torch.sqrt(area / aspect).round()
    fits = (w > 0) & (w <= width[:, None]) & (h > 0) & (h <= height[:, None])
    first = fits.to(torch.int8).argmax(1, keepdim=True)
    w, h = w.gather(1, first)[:, 0], h.gather(1, first)[:, 0]
    top = (uniform[..., 2].gather(1, first)[:, 0] * (height - h + 1)).floor()
    left = (uniform[..., 3].gather(1, first)[:, 0] * (width - w + 1)).floor()
    shape = width / height
    fall_w = torch.where(shape > ratio[1], (height * ratio[1]).round(), width)
    fall_h = torch.where(shape < ratio[0], (width / ratio[0]).round(), height)
    any_fits = fits.any(1)
    return Windows(
        torch.where(any_fits, top, ((height - fall_h) / 2).floor()),
        torch.where(any_fits, left, ((width - fall_w) / 2).floor()),
        torch.where(any_fits, h, fall_h),
        torch.where(any_fits, w, fall_w),
        torch.zeros(len(height), dtype=torch.bool),
    )


def full_size(height: Tensor, width: Tensor, size: int) -> Tensor:
    """(N,2) sizes with the shorter side `size`, the longer rounded down as torchvision does."""
    short = torch.minimum(height, width)
    tall = torch.where(height <= width, torch.full_like(height, size), (size * height / short).floor())
    wide = torch.where(width <= height, torch.full_like(width, size), (size * width / short).floor())
    return torch.stack([tall, wide], 1).long()


def resize_center_crop(height: Tensor, width: Tensor, resize: int, size: int) -> Windows:
    """Resize the shorter side to `resize`, then cut the central `size`×`size` pixels, as torchvision rounds them."""
    height, width = height.double(), width.double()
    tall, wide = full_size(height, width, resize).double().unbind(1)
    top, left = ((tall - size) / 2).round(), ((wide - size) / 2).round()
    flip = torch.zeros(len(height), dtype=torch.bool)
    return Windows(top * height / tall, left * width / wide, size * height / tall, size * width / wide, flip, clipped=False)


def triangle(t: Tensor) -> Tensor:
    """max(0, 1 − t) of distances t ≥ 0, in place."""
    return t.neg_().add_(1).clamp_(min=0)


def cubic(t: Tensor) -> Tensor:
    """Of distances t ≥ 0, with a = −½: (a+2)t³ − (a+3)t² + 1 up to 1, a(t³ − 5t² + 8t − 4) up to 2, then 0.

    Source: Keys 1981, eq. 4; a as Pillow has it.
    """
    near, far = (1.5 * t - 2.5) * t * t + 1, -0.5 * (((t - 5) * t + 8) * t - 4)
    return torch.where(t <= 1, near, torch.where(t < 2, far, torch.zeros_like(t)))


KERNELS: dict[str, Callable[[Tensor], Tensor]] = {BILINEAR: triangle, "bicubic": cubic}
"""How much a pixel counts by its distance, in pixels of the coarser of source and output; Pillow's names."""


def matrix(
    start: Tensor, length: Tensor, source: int, size: int, *, antialias: bool, clipped: bool, kernel: str = BILINEAR
) -> Tensor:
    """Weights of a window along one axis, k being the kernel: (N, size, source) float64, rows sum to 1.

    w[o,i] ∝ k(|i + ½ − c_o| / r) with c_o = start + (o + ½)·length/size and r = max(1, length/size) with antialias,
    else 1. start, length: (N,), in source pixels.
    """
    device = start.device
    step = (length / size)[:, None, None]
    output = torch.arange(size, dtype=torch.float64, device=device)[None, :, None] + 0.5
    centre = start[:, None, None] + output * step
    if not antialias:  # only neighbours count, so a centre past the outermost pixel centres takes that pixel
        low, high = (start, start + length) if clipped else (torch.zeros_like(start), torch.full_like(start, source))
        centre = centre.clamp(low[:, None, None] + 0.5, high[:, None, None] - 0.5)
    pixel = torch.arange(source, dtype=torch.float64, device=device)[None, None, :] + 0.5
    weight = (pixel - centre).abs_()  # in place from here: a training step builds these for every batch
    if antialias:
        weight.div_(step.clamp(min=1.0))
    weight = KERNELS[kernel](weight)
    if clipped:
        weight.mul_((pixel > start[:, None, None]) & (pixel < (start + length)[:, None, None]))
    return weight.div_(weight.sum(2, keepdim=True))


def matrices(
    windows: Windows, source: tuple[int, int], size: tuple[int, int], antialias: bool = True, kernel: str = BILINEAR
) -> tuple[Tensor, Tensor]:
    """The pair (Ry (N,size[0],H), Rx (N,size[1],W)) of the windows; the flip reverses the rows of Rx."""
    reading = partial(matrix, antialias=antialias, clipped=windows.clipped, kernel=kernel)
    rows = reading(windows.top, windows.height, source[0], size[0])
    columns = reading(windows.left, windows.width, source[1], size[1])
    return rows, torch.where(windows.flip[:, None, None], columns.flip(1), columns)


def resample(x: Tensor, windows: Windows, size: tuple[int, int], antialias: bool = True, kernel: str = BILINEAR) -> Tensor:
    """Cut the windows out of x (N,K,H,W) and resize them to `size`: (N,K,*size), in x's dtype and on its device."""
    rows, columns = (m.to(x) for m in matrices(windows, (x.shape[2], x.shape[3]), size, antialias, kernel))
    return rows[:, None] @ x @ columns[:, None].transpose(2, 3)


def resample_mask(mask: Tensor, windows: Windows, size: tuple[int, int]) -> Tensor:
    """The same windows on masks (N,H,W), nearest neighbour: (N,*size), values unchanged."""
    n, height, width = mask.shape
    grid = [(torch.arange(s, dtype=torch.float64) + 0.5) / s for s in size]
    y = (windows.top[:, None] + grid[0] * windows.height[:, None]).floor().clamp(0, height - 1).long()
    x = (windows.left[:, None] + grid[1] * windows.width[:, None]).floor().clamp(0, width - 1).long()
    x = torch.where(windows.flip[:, None], x.flip(1), x)
    return mask[torch.arange(n)[:, None, None], y[:, :, None].to(mask.device), x[:, None, :].to(mask.device)]


def move_box(box: Tensor, windows: Windows, size: tuple[int, int]) -> Tensor:
    """The same windows on half-open boxes (N,4) xmin, ymin, xmax, ymax: clipped to the output, in its pixels."""
    wide, tall = size[1] / windows.width, size[0] / windows.height
    x0 = ((box[:, 0] - windows.left) * wide).clamp(0, size[1])
    x1 = ((box[:, 2] - windows.left) * wide).clamp(0, size[1])
    y0 = ((box[:, 1] - windows.top) * tall).clamp(0, size[0])
    y1 = ((box[:, 3] - windows.top) * tall).clamp(0, size[0])
    left, right = torch.where(windows.flip, size[1] - x1, x0), torch.where(windows.flip, size[1] - x0, x1)
    return torch.stack([left, y0, right, y1], 1)
