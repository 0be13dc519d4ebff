"""Pictures for a report: a heatmap over its image, boxes on an image, a picture as a data URI."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cambench import maps
from cambench.vocabulary import Box, CambenchError, DataError

SEQUENTIAL, DIVERGING = "inferno", "RdBu_r"
FAINT, STRONG = 0.25, 0.8
"""Opacity of the overlay where the map is zero and where it is largest: the image shows where the map says nothing."""
HALO, OUTLINE = (0, 0, 0), (80, 255, 120)


def read_image(source: Path | NDArray[np.uint8]) -> Image.Image:
    """A picture from a file or from an array (H,W,3) uint8; a file's orientation tag is ignored, as data sets ignore it.

    Raises: DataError naming the file that cannot be read, CambenchError for an array of another kind.
    """
    if isinstance(source, Path):
        try:
            with Image.open(source) as image:
                return image.convert("RGB")
        except OSError as e:
            raise DataError(f"{source}: expected an image, got {e}; replace the file.") from e
    if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3:
        raise CambenchError(f"gallery image: expected an array (H,W,3) of uint8, got {source.shape} of {source.dtype}.")
    return Image.fromarray(source)


def fit(image: Image.Image, side: int) -> Image.Image:
    """The picture with its longer side `side` pixels: small ones grow, so that a box drawn on them is a thin line."""
    factor = side / max(image.size)
    width, height = (max(1, round(s * factor)) for s in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def signed(heatmap: NDArray[np.float32]) -> bool:
    """True where a map needs a diverging colour scale."""
    return bool((heatmap < 0).any())


def overlay(
    image: Image.Image,
    heatmap: NDArray[np.float32],
    diverging: bool | None = None,
    opacity: tuple[float, float] = (FAINT, STRONG),
    scale: str = DIVERGING,
) -> Image.Image:
    """The map over its image: (1 − a)·image + a·colour, with a growing with |M| / max |M| between the two of `opacity`.

    heatmap: (h,w), raw, covering the whole image; it is resized bilinearly. It is drawn on a sequential scale from 0 to its
    maximum, or `diverging` from −max |M| to max |M| (None: where it has a negative value), then in the colours of `scale`.
    Raises: CambenchError for a map that is not 2-D or not finite.
    """
    if heatmap.ndim != 2 or not np.isfinite(heatmap).all():
        raise CambenchError(
            f"gallery heatmap: expected (h,w) finite numbers, got shape {heatmap.shape} or a value that is not finite."
        )
    native = torch.from_numpy(np.ascontiguousarray(heatmap, dtype=np.float32))[None]
    fine = maps.resize(native, (image.height, image.width))[0].numpy()
    largest = float(np.abs(heatmap).max())
    share = fine / largest if largest > 0 else fine
    both = signed(heatmap) if diverging is None else diverging
    colour = colormaps[scale](share / 2 + 0.5) if both else colormaps[SEQUENTIAL](share)
    faint, strong = opacity
    covered = (faint + (strong - faint) * np.abs(share))[..., None]
    pixels = (1 - covered) * np.asarray(image, dtype=np.float64) + covered * 255 * colour[..., :3]
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def with_boxes(image: Image.Image, boxes: Sequence[Box], scale: float = 1.0) -> Image.Image:
    """A copy with the outline of each half-open box (xmin, ymin, xmax, ymax), given in pixels before scaling by `scale`."""
    drawn = image.copy()
    draw = ImageDraw.Draw(drawn)
    for box in boxes:
        x0, y0, x1, y1 = (scale * edge for edge in box)
        x1, y1 = min(x1, image.width) - 1, min(y1, image.height) - 1
        x0, y0 = min(max(x0, 0), x1), min(max(y0, 0), y1)
        draw.rectangle((x0, y0, x1, y1), outline=HALO, width=4)
        if x1 - x0 > 2 and y1 - y0 > 2:
            draw.rectangle((x0 + 1, y0 + 1, x1 - 1, y1 - 1), outline=OUTLINE, width=2)
    return drawn


def data_uri(image: Image.Image, quality: int = 88) -> str:
    """The picture as a JPEG inside a URI."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def gradient(name: str, stops: int = 9) -> str:
    """A colour scale as a CSS gradient, for the legend."""
    colours = [tuple(round(255 * v) for v in colormaps[name](i / (stops - 1))[:3]) for i in range(stops)]
    return f"linear-gradient(90deg, {', '.join(f'rgb{c}' for c in colours)})"
