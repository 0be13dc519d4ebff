"""Named map steps: everything a protocol may do to a raw heatmap, each by one name.

A metric's index entry spells out its steps in order; nothing else ever changes a map. Maps are (N,h,w).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d, conv2d, interpolate, pad

from cambench.vocabulary import CambenchError, UsageError

EPSILON = 1e-8


def widened(x: Tensor) -> Tensor:
    """x in float32, or in float64 where it is that already: maps and losses never live in half precision."""
    return x if x.dtype == torch.float64 else x.float()


def relu(maps: Tensor) -> Tensor:
    """max(0, M)."""
    return maps.clamp(min=0)


def absolute(maps: Tensor) -> Tensor:
    """|M|."""
    return maps.abs()


def sum_to_one_epsilon(maps: Tensor) -> Tensor:
    """M / (ΣM + 1e-8) + 1e-8: a zero map becomes uniform. Source: authors' code (CGC protocol §1.1)."""
    return maps / (maps.sum((1, 2), keepdim=True) + EPSILON) + EPSILON


def min_max(maps: Tensor) -> Tensor:
    """(M − min M) / (max M − min M); a constant map becomes zero."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / torch.where(high > low, high - low, torch.ones_like(high))


def min_max_epsilon(maps: Tensor) -> Tensor:
    """M' / (max M' + 1e-8) with M' = M − min M. Source: CGC insertion protocol, authors' code (CGC protocol §2.3)."""
    shifted = maps - maps.amin((1, 2), keepdim=True)
    return shifted / (shifted.amax((1, 2), keepdim=True) + EPSILON)


def largest(maps: Tensor) -> Tensor:
    """max(0, M) / max M, the step `max`; a map that is constant or nowhere positive becomes zero.

    Source: CAM's other normalisation (CALM protocol §1.1, §6); the authors' code divides by max M whatever its sign.
    """
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    sound = (high > low) & (high > 0)
    return torch.where(sound, maps.clamp(min=0) / torch.where(sound, high, torch.ones_like(high)), torch.zeros_like(maps))


def clip(maps: Tensor) -> Tensor:
    """M cut to [0, 1], never scaled; a constant map becomes zero. Source: authors' code (CALM protocol §1.4, §6)."""
    constant = maps.amin((1, 2), keepdim=True) == maps.amax((1, 2), keepdim=True)
    return torch.where(constant, torch.zeros_like(maps), maps.clamp(0, 1))


def min_max_library(maps: Tensor) -> Tensor:
    """M' / (1e-7 + max M') with M' = M − min M. Source: pytorch-grad-cam's scaling (ContrastiveCAM protocol §2)."""
    shifted = maps - maps.amin((1, 2), keepdim=True)
    return shifted / (1e-7 + shifted.amax((1, 2), keepdim=True))


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, half-pixel centres, no antialias: (N,h,w) -> (N,*size)."""
    return interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def resize_corners(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, the corner pixels' centres on the map's: (N,h,w) -> (N,*size). Source: Wang & Wang 2022, authors' code."""
    return interpolate(maps[:, None], size=size, mode="bilinear", align_corners=True)[:, 0]


def resize_cubic(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bicubic (a = −0.75), half-pixel centres, edge pixels repeated, no antialias: (N,h,w) -> (N,*size); may overshoot.

    Source: OpenCV's INTER_CUBIC, by which the WSOL benchmark resizes its maps (CALM protocol §2.5).
    """
    return interpolate(maps[:, None], size=size, mode="bicubic", align_corners=False)[:, 0]


def on_grid(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """A pixel mask (N,H,W) bool on the grid of a map: True where any pixel of the cell is; -> (N,*size) bool.

    Source: ContrastiveCAM §4.1, "region contains target" (ContrastiveCAM protocol §1.5).
    """
    return adaptive_max_pool2d(mask[:, None].float(), size)[:, 0] > 0


def classes_on_grid(regions: Tensor, classes: int, size: tuple[int, int]) -> Tensor:
    """`on_grid` of the pixels of each of `classes` classes at once: regions (N,H,W) int64 -> (N,classes,*size) bool."""
    image = torch.arange(len(regions), device=regions.device)[:, None, None]
    known = (regions >= 0) & (regions < classes)
    channel = image * (classes + 1) + torch.where(known, regions + 1, 0)  # channel 0 is for pixels that show no class
    shown = torch.zeros(len(regions) * (classes + 1) * size[0] * size[1], dtype=torch.bool, device=regions.device)
    for row in cells(regions.shape[1], size[0]).to(regions.device):
        for column in cells(regions.shape[2], size[1]).to(regions.device):
            shown.index_fill_(0, ((channel * size[0] + row[:, None]) * size[1] + column).flatten(), True)
    return shown.view(len(regions), classes + 1, *size)[:, 1:]


def cells(length: int, size: int) -> Tensor:
    """The cells of a grid that each pixel of a line belongs to: (K,length) int64, K as many as a pixel has at most.

    Cell i holds the pixels ⌊i·length/size⌋ to ⌈(i + 1)·length/size⌉ − 1, as in adaptive pooling: neighbours may share one.
    """
    pixel = torch.arange(length)
    first, last = pixel * size // length, ((pixel + 1) * size - 1) // length
    return torch.minimum(first + torch.arange(int((last - first).max()) + 1)[:, None], last)


def gaussian_blur(image: Tensor, reach: tuple[int, int], sigma: float) -> Tensor:
    """Each channel under e^{−d²/2σ²} of at most `reach` pixels down and across, summing to 1, edges reflected.

    image (N,K,H,W) -> same shape. Raises: UsageError where a side has no more pixels than the reach: too few to reflect.
    """
    for side, most in zip(image.shape[2:], reach, strict=True):
        if side <= most:
            size = "×".join(map(str, image.shape[2:]))
            raise UsageError(f"blur: expected images of more than {most} pixels a side, got {size}.")
    planes = pad(image, (reach[1], reach[1], reach[0], reach[0]), mode="reflect").flatten(0, 1)[:, None]
    down, across = (gaussian_line(r, sigma, image) for r in reach)
    planes = conv2d(planes, across.view(1, 1, 1, -1))
    return conv2d(planes, down.view(1, 1, -1, 1)).view_as(image)


def gaussian_line(reach: int, sigma: float, like: Tensor) -> Tensor:
    """One axis of the kernel, d = −reach … reach, in the type of `like`."""
    distance = torch.arange(-reach, reach + 1, dtype=torch.float64)
    weights = torch.exp(-(distance**2) / (2 * sigma**2))
    return (weights / weights.sum()).to(like)


def blur(maps: Tensor, size: int) -> Tensor:
    """M under a size×size Gaussian of σ = 0.3·((size − 1)/2 − 1) + 0.8, edges reflected: the step `blur-31`, σ = 5.

    Source: σ by the rule of CALM's code, whose own kernel is of size 1, which is no blur (CALM protocol §1.7).
    Raises: UsageError for a size that is even, or maps of size // 2 pixels a side or fewer, as `gaussian_blur`.
    """
    if size % 2 == 0:
        raise UsageError(f"blur: expected an odd number of pixels, got {size}; take {size + 1}.")
    return gaussian_blur(maps[:, None], (size // 2, size // 2), 0.3 * ((size - 1) / 2 - 1) + 0.8)[:, 0]


def float64(maps: Tensor) -> Tensor:
    """M in double precision, for protocols whose arithmetic is."""
    return maps.double()


STEPS: dict[str, Callable[[Tensor], Tensor]] = {
    "float64": float64,
    "relu": relu,
    "absolute": absolute,
    "sum-to-one-epsilon": sum_to_one_epsilon,
    "min-max": min_max,
    "min-max-epsilon": min_max_epsilon,
    "max": largest,
    "clip": clip,
    "min-max-library": min_max_library,
}
RESIZES: dict[str, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    "resize": resize,
    "resize-corners": resize_corners,
    "resize-cubic": resize_cubic,
}


BLUR = "blur-"
"""What a step `blur-31` begins with."""


def known_step(step: str) -> bool:
    """Whether there is a step of this name."""
    return step in STEPS or step in RESIZES or (step.startswith(BLUR) and step.removeprefix(BLUR).isdecimal())


def within_unit(maps: Tensor, metric: str) -> Tensor:
    """The maps themselves. Raises: CambenchError, naming the metric, for maps that leave [0, 1] or hold NaN."""
    low, high = float(maps.min()), float(maps.max())
    if not (low >= 0 and high <= 1):
        got = f"values from {low} to {high}; apply the entry's map steps"
        raise CambenchError(f"{metric}: expected maps in [0, 1], got {got}.")
    return maps


def apply(maps: Tensor, steps: Sequence[str], size: tuple[int, int]) -> Tensor:
    """Apply the named steps in order; the steps of `RESIZES` bring the maps to `size` (H, W)."""
    for step in steps:
        if step.startswith(BLUR):
            maps = blur(maps, int(step.removeprefix(BLUR)))
        else:
            maps = RESIZES[step](maps, size) if step in RESIZES else STEPS[step](maps)
    return maps
