"""How a layer's output lies over the image: channels first, channels last, or as tokens; and the map (N,K,h,w) of each."""

from __future__ import annotations

import math
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from cambench.explainers.probing.modes import evaluating, hooked
from cambench.explainers.probing.outputs import first_of

EXTRA = 8
"""The most tokens beside those of the image: class, distillation, registers."""
Size = tuple[int, int]
ASKED: ContextVar[bool] = ContextVar("ASKED", default=False)
"""Whether a model runs only for `grown`; no layout is recognised meanwhile."""


@dataclass(frozen=True)
class Layout:
    """channels-first (N,K,h,w), channels-last (N,h,w,K) or tokens (N,e+h·w,K), the e tokens of no place first."""

    kind: Literal["channels-first", "channels-last", "tokens"]
    grid: Size
    extra: int = 0

    def to_map(self, output: Tensor) -> Tensor:
        """The output as a map (N,K,h,w), without the tokens of no place."""
        if self.kind == "channels-last":
            return output.permute(0, 3, 1, 2)
        if self.kind == "tokens":
            placed = output[:, self.extra :].transpose(1, 2)
            return placed.reshape(*placed.shape[:2], *self.grid)
        return output

    def restore(self, output: Tensor, values: Tensor) -> Tensor:
        """The output with these values (N,K,h,w) in its map's place; other tokens stay. Gradients flow to the values."""
        if self.kind == "channels-last":
            return values.permute(0, 2, 3, 1).contiguous()
        if self.kind == "tokens":
            return torch.cat([output[:, : self.extra].to(values.dtype), values.flatten(2).transpose(1, 2)], 1)
        return values


def recognise(
    output: Any, module: nn.Module, model: nn.Module, images: Tensor | None, tall: dict[nn.Module, torch.Size] | None = None
) -> Layout | None:
    """How the output of a module lies over the images that the model was given; None where it is no map.

    Of (N,a,b,c) the two axes that have the image's proportions are space: for square images the equal ones. Where both
    (a,b) and (b,c) have them, and the network norms its last axis somewhere, an image twice as high decides: the axis that
    grows is the height. (N,T,K) are tokens where K is a width that the network norms or a linear layer gives, and T the
    number of patches (of fewer after merging), with up to 8 tokens of no place before them. tall: what is known already of
    that image, by whoever asks about many modules (`grown`).
    """
    if ASKED.get() or not isinstance(output, Tensor) or (images is not None and len(output) != len(images)):
        return None
    size = (1, 1) if images is None or images.ndim != 4 else (images.shape[2], images.shape[3])
    if output.ndim == 3:
        return tokens(output, model, size)
    if output.ndim != 4:
        return None
    _, a, b, c = output.shape
    first, last = alike((b, c), size), alike((a, b), size)
    if first and last and images is not None and widths(model):
        last = grown(output.shape, module, model, images, {} if tall is None else tall) == 1
        first = not last
    if last and not first and (size[0] == size[1] or widths(model)):
        return Layout("channels-last", (a, b))
    return Layout("channels-first", (b, c))


def tokens(output: Tensor, model: nn.Module, size: Size) -> Layout | None:
    """The grid of tokens (N,T,K), None where they have none."""
    _, count, width = output.shape
    known = widths(model)
    if not known or width not in known | {m.out_features for m in model.modules() if isinstance(m, nn.Linear)}:
        return None
    patches = patch_grid(model, size)
    if patches is not None and 0 <= count - math.prod(patches) <= EXTRA:
        return Layout("tokens", patches, count - math.prod(patches))
    for extra in range(EXTRA + 1):
        high = math.isqrt(max(count - extra, 0) * size[0] // size[1])
        if high and (count - extra) % high == 0 and high * size[1] == (count - extra) // high * size[0]:
            return Layout("tokens", (high, (count - extra) // high), extra)
    return None


def patch_grid(model: nn.Module, size: Size) -> Size | None:
    """Rows and columns of the patches that a convolution cuts an image into; None where no convolution does."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.in_channels == 3:
            cuts = module.kernel_size == module.stride and min(module.stride) > 1
            return (size[0] // module.stride[0], size[1] // module.stride[1]) if cuts else None
    return None


def widths(model: nn.Module) -> set[int]:
    """The lengths of the last axes that a network norms by nn.LayerNorm or an RMSNorm, not those of channels first.

    Subclasses count as well, as timm has them, but for LayerNorm2d, which norms channels first.
    """
    own = {m.normalized_shape[-1] for m in model.modules() if isinstance(m, nn.LayerNorm) and not of_channels_first(m)}
    other = [getattr(m, "weight", None) for m in model.modules() if type(m).__name__.endswith("RMSNorm")]
    return own | {weight.shape[-1] for weight in other if isinstance(weight, Tensor)}


def of_channels_first(norm: nn.Module) -> bool:
    """Whether a norm is one of (N,K,h,w) by its name: LayerNorm2d, LayerNormFp32_2d."""
    return type(norm).__name__.endswith("2d")


def alike(grid: Size, size: Size) -> bool:
    """Whether a grid has the proportions of an image, up to one cell."""
    return abs(grid[0] * size[1] / size[0] - grid[1]) < (1 if size[0] == size[1] else 1.01)


def grown(
    shape: torch.Size, module: nn.Module, model: nn.Module, images: Tensor, tall: dict[nn.Module, torch.Size]
) -> int | None:
    """The axis of a module's output of a shape that doubles with the image's height; None where the network takes no such.

    tall: the shapes for an image twice as high, of all modules, which one pass fills in when the first is asked about.
    """
    if model not in tall:
        tall.update(shapes_for(model, torch.cat([images[:1].detach()] * 2, 2)))
    high = tall.get(module, torch.Size())
    axes = [axis for axis in range(1, len(shape)) if len(high) == len(shape) and high[axis] != shape[axis]]
    return axes[0] if len(axes) == 1 else None


def shapes_for(model: nn.Module, image: Tensor) -> dict[nn.Module, torch.Size]:
    """The shape of what each module gives last; nothing but the model where it does not take the image (1,3,H,W)."""
    shapes: dict[nn.Module, torch.Size] = {}

    def watch(module: nn.Module, arguments: Any, output: Any) -> None:
        first = first_of(output)
        if isinstance(first, Tensor):
            shapes[module] = first.shape

    asked = ASKED.set(True)
    try:
        with torch.no_grad(), evaluating(model), hooked(dict.fromkeys(model.modules(), watch)):
            model(image)
    except (RuntimeError, AssertionError, ValueError):  # a network of one size alone
        shapes.clear()
    finally:
        ASKED.reset(asked)
    return {model: torch.Size(), **shapes}
