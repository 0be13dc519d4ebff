"""One picture with its ground truth: background, perch, bird and leaf, laid over one another by exact coverage."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from cambench.data.synthbirds import scene
from cambench.data.synthbirds.attributes import Species
from cambench.data.synthbirds.draw import ID, KEYPOINT_REGIONS, SUPER, Bird, palette, pose_bird, random_pose, regions

PART_NAMES = (
    "back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg", "left wing", "nape", "right eye",
    "right leg", "right wing", "tail", "throat",
)  # fmt: skip
"""The 15 key points of CUB-200-2011 in its order."""

LEAF_CHANCE = 0.12
HALF = 128.5 / 255
"""More than half of the samples: half of them average to 127.5, which rounds to 128 of 255."""


@dataclass(frozen=True)
class Picture:
    """An image (S,S,3), where the bird of its label shows (S,S) bool, and its visible key points, name -> (x, y) in pixels.

    regions: where there may be several birds, the class that each pixel shows plus 1, 0 where it shows none (S,S).
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    parts: dict[str, tuple[float, float]]
    regions: NDArray[np.uint8] | None = None


def flatten(index: NDArray[np.uint8], table: NDArray[np.uint8]) -> tuple[scene.Floats, scene.Floats]:
    """Average the samples of an index canvas: colours times coverage (S,S,3), and coverage (S,S,1) in [0, 1]."""
    canvas = Image.fromarray(index)
    cover = canvas.point([0] + [255] * 255).reduce(SUPER)
    canvas.putpalette(table.tobytes())
    color = canvas.convert("RGB").reduce(SUPER)
    return np.asarray(color, dtype=np.float32), np.asarray(cover, dtype=np.float32)[..., None] / np.float32(255)


def shading(cover: scene.Floats, left: bool, scale: float) -> scene.Floats:
    """Light from above: the side of a blurred outline that faces it is brighter, the other darker. (S,S,1) around 1."""
    size = cover.shape[0]
    width = size * scale
    outline = Image.fromarray((cover[..., 0] * np.float32(255)).astype(np.uint8))
    height = np.asarray(outline.filter(ImageFilter.GaussianBlur(width / 20)), dtype=np.float32) / np.float32(255)
    down, across = max(1, int(width) // 20), max(1, int(width) // 48) * (1 if left else -1)
    padded = np.pad(height, 2 * down)
    low = padded[3 * down : 3 * down + size, 2 * down + across : 2 * down + across + size]
    high = padded[down : down + size, 2 * down - across : 2 * down - across + size]
    return (1 + np.float32(0.42) * (low - high))[..., None]


def grain(rng: np.random.Generator, size: int, depth: float, bumps: int) -> scene.Floats:
    """A factor (S,S,1) that wavers by ±depth around 1."""
    return (np.float32(1 - depth) + np.float32(2 * depth) * scene.noise(rng, size, bumps, bumps))[..., None]


def visible_parts(
    bird: Bird, index: NDArray[np.uint8], mask: NDArray[np.bool_], left: bool
) -> dict[str, tuple[float, float]]:
    """The key points whose own region shows at their pixel; a bird that faces left shows its left side."""
    size = mask.shape[0]
    near, far = ("left", "right") if left else ("right", "left")
    names = {"eye": f"{near} eye", "wing": f"{near} wing", "near leg": f"{near} leg", "far leg": f"{far} leg"}
    visible = {}
    for name, (x, y) in bird.keypoints.items():
        x, y = round(x, 1), round(y, 1)
        if 0 <= x < size and 0 <= y < size and mask[int(y), int(x)]:
            shown = index[int(y * SUPER), int(x * SUPER)]
            if shown in {ID[region] for region in KEYPOINT_REGIONS[name]}:
                visible[names.get(name, name)] = (x, y)
    return {name: visible[name] for name in PART_NAMES if name in visible}


def paint(
    species: Species,
    family: str,
    bird_rng: np.random.Generator,
    scene_rng: np.random.Generator,
    size: int,
    *,
    scale: float = 1.0,
) -> Picture:
    """A bird of a species before a background of a family; bird and surroundings are drawn from separate generators.

    scale: the bird's length as a share of what its pose asks for; perch and leaf shrink with it.

    The background is drawn last, as how many numbers it takes depends on its family: everything else stays as it is.
    """
    pose = random_pose(bird_rng)
    pose = replace(pose, area=pose.area * scale**2)
    bird = pose_bird(species, pose, size)
    index, table = regions(bird, size), palette(species, bird_rng)
    perch = flatten(*scene.perch(bird.ground, scene_rng, size, scale))
    leaf = scene.leaf(scene_rng, size, extent(index), scale)
    in_front = scene_rng.random() < LEAF_CHANCE
    light = ((0.85 + 0.25 * scene_rng.random()) * (0.95 + 0.1 * scene_rng.random(3))).astype(np.float32)
    if in_front:
        index = np.where(leaf[0] > 0, np.uint8(0), index)
    color, cover = flatten(index, table)
    shade = shading(cover, pose.left, scale) * grain(bird_rng, size, 0.05, 30)
    mask = cover[..., 0] > HALF

    image = lay(perch[0] * grain(scene_rng, size, 0.15, 40), perch[1], scene.background(family, scene_rng, size))
    image = lay((color * shade).clip(0, 255), cover, image)
    if in_front:
        image = lay(*flatten(*leaf), image)
    image = (image * light).clip(0, 255) + np.float32(0.5)
    return Picture(image.astype(np.uint8), mask, visible_parts(bird, index, mask, pose.left))


def extent(index: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 in pixels of whatever shows on an index canvas."""
    rows, columns = np.flatnonzero(index.any(1)) / SUPER, np.flatnonzero(index.any(0)) / SUPER
    return float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1])


def lay(color: scene.Floats, cover: scene.Floats, image: scene.Floats) -> scene.Floats:
    """Lay colours that are already weighted by their coverage over a picture."""
    return np.asarray(image * (1 - cover) + color, dtype=np.float32)
