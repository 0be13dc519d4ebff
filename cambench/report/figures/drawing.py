"""Pictures for a report: a heatmap over its image, boxes on an image, a picture as a data URI."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cambench import maps
from cambench.data import decode
from cambench.vocabulary import Box, CambenchError

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Look:
    """How a map lies over its image.

    weak, strong: opacity where it is 0 and where it is largest; between them it grows with |M|^power, so that what is weak
    is still seen. towards, away: colours of positive and of negative values, from weak to strong. grey: how far the image
    loses its own colours, so that all colour is the map's. percentile: of |M| over the pixels, which takes the strongest
    colour; a single pixel that stands out does not make all others pale.
    """

    weak: float = 0.0
    strong: float = 0.85
    power: float = 0.75
    towards: Sequence[Colour] = ((215, 25, 20), (245, 70, 0), (255, 150, 0), (255, 225, 40))
    away: Sequence[Colour] = ((20, 60, 200), (20, 110, 240), (30, 170, 250), (120, 230, 255))
    grey: float = 0.8
    percentile: float = 99.0

    def colours(self, share: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Shares (…) in [−1, 1] of the strongest value -> colours (…,3) in [0,255] and opacities (…)."""
        size = np.abs(share)
        towards, away = (ramp(size, stops) for stops in (self.towards, self.away))
        opacity = self.weak + (self.strong - self.weak) * size**self.power
        return np.where(share[..., None] < 0, away, towards), opacity


def ramp(size: NDArray[np.float64], stops: Sequence[Colour]) -> NDArray[np.float64]:
    """Numbers (…) in [0, 1] -> colours (…,3), linear between equally spaced stops."""
    at = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(size, at, [stop[k] for stop in stops]) for k in range(3)], -1)


LOOK = Look()
HALO, OUTLINE = (0, 0, 0), (80, 255, 120)


def read_image(source: Path | NDArray[np.uint8]) -> Image.Image:
    """A picture from a file or from an array (H,W,3) uint8; a file's orientation tag is ignored, as data sets ignore it.

    Raises: DataError naming the file that cannot be read, CambenchError for an array of another kind.
    """
    if isinstance(source, Path):
        return decode.load_image(source)
    if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3:
        raise CambenchError(f"gallery image: expected an array (H,W,3) of uint8, got {source.shape} of {source.dtype}.")
    return Image.fromarray(source)


def fit(image: Image.Image, side: int) -> Image.Image:
    """The picture with its longer side `side` pixels: small ones grow, so that a box drawn on them is a thin line."""
    factor = side / max(image.size)
    width, height = (max(1, round(s * factor)) for s in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def signed(heatmap: NDArray[np.float32]) -> bool:
    """True where a map has a negative value."""
    return bool((heatmap < 0).any())


def overlay(image: Image.Image, heatmap: NDArray[np.float32], look: Look = LOOK) -> Image.Image:
    """The map over its image: (1 − a)·image + a·colour, for and against in colours of their own on one scale.

    heatmap: (h,w), raw, covering the whole image; it is resized bilinearly, and each map has the scale of its own largest
    values, whatever their sign. A map of zeros leaves the image as it is but for its colours.
    Raises: CambenchError for a map that is not 2-D or not finite.
    """
    if heatmap.ndim != 2 or not np.isfinite(heatmap).all():
        raise CambenchError(
            f"gallery heatmap: expected (h,w) finite numbers, got shape {heatmap.shape} or a value that is not finite."
        )
    native = torch.from_numpy(np.ascontiguousarray(heatmap, dtype=np.float32))[None]
    fine = maps.resize(native, (image.height, image.width))[0].numpy().astype(np.float64)
    largest = float(np.percentile(np.abs(fine), look.percentile)) or float(np.abs(fine).max()) or 1.0
    colour, opacity = look.colours((fine / largest).clip(-1, 1))
    plain = np.asarray(image, dtype=np.float64)
    faded = (1 - look.grey) * plain + look.grey * np.asarray(image.convert("L"), dtype=np.float64)[..., None]
    pixels = (1 - opacity[..., None]) * faded + opacity[..., None] * colour
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def on_grey(share: NDArray[np.float64], look: Look = LOOK) -> NDArray[np.float64]:
    """What shares (n,) of the strongest value look like over a middle grey, for a colour bar: (n,3) in [0,255]."""
    colour, opacity = look.colours(share)
    return (1 - opacity[:, None]) * 128 + opacity[:, None] * colour


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


def gradient(low: float, look: Look = LOOK, stops: int = 17) -> str:
    """The colours from `low` (−1 or 0) to 1 as a CSS gradient, for the legend."""
    colours = (tuple(map(round, colour)) for colour in on_grey(np.linspace(low, 1, stops), look).tolist())
    return f"linear-gradient(90deg, {', '.join(f'rgb{c}' for c in colours)})"
