"""What is around the bird: textured backgrounds of several families, a perch, now and then a leaf in front.

Families overlap in colour and differ in texture. Nothing here knows the class; `make` chooses the family.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from cambench.data.synthbirds.draw import SUPER, fill
from cambench.data.synthbirds.shapes import Points, points, smooth, stroke

Floats = NDArray[np.float32]
Color = tuple[int, int, int]


def noise(rng: np.random.Generator, size: int, columns: int, rows: int) -> Floats:
    """Smooth noise in [0, 1] with about columns×rows bumps: (size, size)."""
    grid = (rng.random((rows + 3, columns + 3)) * 255).astype(np.uint8)
    box = (1.0, 1.0, columns + 1.0, rows + 1.0)
    image = Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC, box=box)
    level: Floats = np.asarray(image, dtype=np.float32) / np.float32(255)
    return level


def ramp(level: Floats, *colors: Color) -> Floats:
    """Colours along a level in [0, 1]: (H, W) -> (H, W, 3)."""
    stops = np.array(colors, dtype=np.float32)
    at = level.clip(0, 1) * np.float32(len(colors) - 1)
    low = np.minimum(at.astype(np.int64), len(colors) - 2)
    part = (at - low.astype(np.float32))[..., None]
    return np.asarray(stops[low] * (1 - part) + stops[low + 1] * part, dtype=np.float32)


def _octaves(rng: np.random.Generator, size: int, columns: int, rows: int) -> Floats:
    layers = [noise(rng, size, columns * k, rows * k) for k in (1, 2, 4)]
    level: Floats = layers[0] * np.float32(0.5) + layers[1] * np.float32(0.3) + layers[2] * np.float32(0.2)
    return level


def _down(size: int) -> Floats:
    """0 at the top row to 1 at the bottom."""
    level: Floats = np.linspace(0, 1, size, dtype=np.float32)[:, None].repeat(size, 1)
    return level


def _over(base: Floats, paint: Callable[[ImageDraw.ImageDraw, float], None], blur: float) -> Floats:
    """Paint on a picture at twice its size, then soften it."""
    size = base.shape[0]
    image = Image.fromarray(base.clip(0, 255).astype(np.uint8)).resize((2 * size, 2 * size), Image.Resampling.BILINEAR)
    paint(ImageDraw.Draw(image), 2.0 * size)
    soft = image.reduce(2).filter(ImageFilter.GaussianBlur(blur * size / 96))
    return np.asarray(soft, dtype=np.float32)


def _tint(rng: np.random.Generator, color: Color, spread: float) -> Color:
    gain = 1 - spread + 2 * spread * rng.random(4)
    r, g, b = (int(min(255.0, c * float(gain[3]) * (0.7 + 0.3 * float(k)))) for c, k in zip(color, gain[:3], strict=True))
    return r, g, b


def _blob(x: float, y: float, length: float, width: float, angle: float) -> list[tuple[int, int]]:
    """A leaf: an ellipse with two tips."""
    c, s = math.cos(angle), math.sin(angle)
    outline = [(-1.0, 0.0), (-0.5, -0.8), (0.2, -0.9), (1.0, 0.0), (0.2, 0.9), (-0.5, 0.8)]
    return [(round(x + c * u * length - s * v * width), round(y + s * u * length + c * v * width)) for u, v in outline]


def _sky(rng: np.random.Generator, size: int, *colors: Color) -> Floats:
    clouds = ((_octaves(rng, size, 3, 4) - np.float32(0.52)) * np.float32(5)).clip(0, 1)[..., None]
    base = ramp(_down(size) * np.float32(0.8) + noise(rng, size, 2, 2) * np.float32(0.2), *colors)
    return base * (1 - clouds * np.float32(0.8)) + np.float32(245) * clouds * np.float32(0.8)


def _leaves(rng: np.random.Generator, size: int, *colors: Color) -> Floats:
    base = ramp(_octaves(rng, size, 3, 3), *((r // 3, g // 3, b // 3) for r, g, b in colors))
    draws = rng.random((110, 5))
    tints = [_tint(rng, colors[int(d[4] * len(colors))], 0.35) for d in draws]
    berries = rng.random((6, 3))

    def paint(draw: ImageDraw.ImageDraw, side: float) -> None:
        for (x, y, length, angle, _), tint in zip(draws, tints, strict=True):
            long = side * (0.035 + 0.06 * length)
            draw.polygon(_blob(x * side, y * side, long, long * 0.45, angle * math.tau), fill=tint)
        for x, y, kind in berries:
            r = side * 0.014
            fruit = ((200, 40, 40), (236, 200, 60), (150, 60, 160))[int(kind * 3)]
            draw.ellipse((round(x * side - r), round(y * side - r), round(x * side + r), round(y * side + r)), fill=fruit)

    return _over(base, paint, 0.5 + 1.1 * float(rng.random()))


def _water(rng: np.random.Generator, size: int, *colors: Color) -> Floats:
    waves = noise(rng, size, 3, 22) * np.float32(0.55) + noise(rng, size, 6, 40) * np.float32(0.25)
    glints = ((noise(rng, size, 10, 44) - np.float32(0.80)) * np.float32(6)).clip(0, 1)[..., None]
    base = ramp(waves + _down(size) * np.float32(0.25), *colors)
    return base * (1 - glints * np.float32(0.7)) + np.float32(240) * glints * np.float32(0.7)


def _grass(rng: np.random.Generator, size: int, *colors: Color) -> Floats:
    base = ramp(_down(size) * np.float32(0.5) + noise(rng, size, 3, 3) * np.float32(0.5), *colors)
    draws = rng.random((170, 5))
    tints = [_tint(rng, colors[int(d[4] * len(colors))], 0.45) for d in draws]

    def paint(draw: ImageDraw.ImageDraw, side: float) -> None:
        for (x, y, height, lean, _), tint in zip(draws, tints, strict=True):
            foot, tall, wide = y * 1.25 * side, side * (0.12 + 0.22 * height), side * 0.008
            tip = (round(x * side + (lean - 0.5) * tall), round(foot - tall))
            draw.polygon([(round(x * side - wide), round(foot)), tip, (round(x * side + wide), round(foot))], fill=tint)

    return _over(base, paint, 0.35 + 0.7 * float(rng.random()))


def _sand(rng: np.random.Generator, size: int, *colors: Color) -> Floats:
    grain = rng.random((size, size)).astype(np.float32)
    base = ramp(_octaves(rng, size, 2, 4) * np.float32(0.75) + grain * np.float32(0.25), *colors)
    draws = rng.random((16, 4))
    tints = [_tint(rng, (165, 150, 135), 0.35) for _ in draws]

    def paint(draw: ImageDraw.ImageDraw, side: float) -> None:
        for (x, y, r, flat), tint in zip(draws, tints, strict=True):
            rx = side * (0.012 + 0.03 * r)
            ry = rx * (0.5 + 0.3 * flat)
            draw.ellipse((round(x * side - rx), round(y * side - ry), round(x * side + rx), round(y * side + ry)), fill=tint)

    return _over(base, paint, 0.3)


def _bark(rng: np.random.Generator, size: int, *colors: Color) -> Floats:
    ridges = noise(rng, size, 14, 2) * np.float32(0.5) + noise(rng, size, 26, 5) * np.float32(0.3)
    base = ramp(ridges + noise(rng, size, 3, 3) * np.float32(0.2), *colors)
    cracks = ((np.float32(0.24) - noise(rng, size, 11, 3)) * np.float32(8)).clip(0, 1)[..., None]
    return base * (1 - cracks * np.float32(0.65))


Painter = Callable[..., Floats]
FAMILIES: dict[str, tuple[Painter, tuple[Color, ...]]] = {
    "sky": (_sky, ((70, 130, 205), (120, 175, 225), (190, 215, 235))),
    "foliage": (_leaves, ((60, 120, 50), (95, 150, 60), (40, 95, 55), (130, 165, 75))),
    "water": (_water, ((25, 70, 95), (55, 115, 140), (120, 165, 180))),
    "grass": (_grass, ((130, 160, 90), (95, 135, 60), (150, 150, 80), (70, 110, 45))),
    "sand": (_sand, ((150, 130, 100), (190, 170, 135), (220, 205, 175))),
    "bark": (_bark, ((60, 48, 40), (105, 85, 68), (140, 122, 104))),
    "dusk": (_sky, ((85, 70, 130), (190, 110, 130), (240, 175, 120))),
    "autumn": (_leaves, ((185, 95, 35), (205, 145, 50), (140, 65, 35), (150, 130, 60))),
}
"""Family -> its texture and colours."""


def background(family: str, rng: np.random.Generator, size: int) -> Floats:
    """A background of a family: (size, size, 3) in 0..255."""
    painter, colors = FAMILIES[family]
    gain = (0.88 + 0.24 * rng.random(3)).astype(np.float32) * np.float32(0.9 + 0.2 * rng.random())
    return np.asarray((painter(rng, size, *colors) * gain).clip(0, 255), dtype=np.float32)


WOOD: tuple[Color, ...] = ((92, 70, 50), (120, 100, 84), (70, 62, 56), (132, 112, 88))
STONE: tuple[Color, ...] = ((120, 118, 112), (104, 92, 78), (92, 104, 70), (146, 134, 116))


def perch(
    ground: Points, rng: np.random.Generator, size: int, scale: float = 1.0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A branch, which is thinner for a smaller `scale`, or a mound under the feet: its index canvas and palette (256, 3)."""
    canvas = Image.new("L", (SUPER * size, SUPER * size), 0)
    draw = ImageDraw.Draw(canvas)
    middle, step = (ground[0] + ground[1]) / 2, ground[1] - ground[0]
    slope = float(step[1] / step[0]) + 0.16 * float(rng.random() - 0.5)
    bumps = rng.random(6) - 0.5
    table = np.zeros((256, 3), dtype=np.uint8)
    if rng.random() < 0.65:
        thick = size * scale * (0.03 + 0.025 * float(rng.random()))
        xs = np.array([-0.1, 0.25, 0.5, 0.75, 1.1]) * size
        ys = middle[1] + slope * (xs - middle[0]) + thick * 0.45
        path = np.stack([xs, ys + bumps[:5] * np.abs(xs - middle[0]) * 0.08], 1)
        fill(draw, stroke(path, thick * (1.0 + 0.3 * bumps[:5])), 1)
        under = path + np.array([0.0, thick * 0.28])
        fill(draw, stroke(under, thick * 0.42 * (1.0 + 0.3 * bumps[:5])), 2)
        colors = WOOD
    else:
        xs = np.array([-0.1, 0.1, 0.3, 0.5, 0.7, 0.9, 1.1]) * size
        away = np.abs(xs - middle[0])
        ys = middle[1] + slope * (xs - middle[0]) + away * (0.10 + 0.25 * np.array([*bumps, 0.0])) - size * 0.004
        top = np.stack([xs, ys], 1)
        floor = points((1.1 * size, 1.2 * size), (-0.1 * size, 1.2 * size))
        fill(draw, np.concatenate([top, floor]), 1)
        fill(draw, np.concatenate([top + np.array([0.0, size * 0.07]), floor]), 2)
        colors = STONE
    color = np.array(colors[int(rng.integers(len(colors)))]) * (0.85 + 0.3 * float(rng.random()))
    table[1], table[2] = color.clip(0, 255).astype(np.uint8), (color * 0.78).clip(0, 255).astype(np.uint8)
    return np.asarray(canvas), table


def leaf(
    rng: np.random.Generator, size: int, around: tuple[float, float, float, float], scale: float = 1.0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A leaf on a stem before the edge of a box (x0, y0, x1, y1): its index canvas and palette."""
    canvas = Image.new("L", (SUPER * size, SUPER * size), 0)
    draw = ImageDraw.Draw(canvas)
    x0, y0, x1, y1 = around
    along, side = float(rng.random()), int(rng.integers(3))
    x, y = ((x0, y0 + along * (y1 - y0)), (x1, y0 + along * (y1 - y0)), (x0 + along * (x1 - x0), y1))[side]
    long, angle = size * scale * (0.06 + 0.04 * float(rng.random())), math.tau * float(rng.random())
    c, s = math.cos(angle), math.sin(angle)
    outline = smooth(points((-1.0, 0.0), (-0.4, -0.42), (0.3, -0.40), (1.0, 0.0), (0.3, 0.40), (-0.4, 0.42)), 4) * long
    shape = np.stack([x + c * outline[:, 0] - s * outline[:, 1], y + s * outline[:, 0] + c * outline[:, 1]], 1)
    vein = points((x - c * long * 2.2, y - s * long * 2.2), (x, y), (x + c * long * 0.9, y + s * long * 0.9))
    fill(draw, shape, 1)
    fill(draw, stroke(vein, (size * scale * 0.012, size * scale * 0.010, size * scale * 0.006)), 2)
    table = np.zeros((256, 3), dtype=np.uint8)
    tint = _tint(rng, ((88, 140, 62), (150, 128, 58), (70, 112, 74))[int(rng.integers(3))], 0.2)
    table[1], table[2] = tint, (tint[0] * 2 // 3, tint[1] * 2 // 3, tint[2] * 2 // 3)
    return np.asarray(canvas), table
