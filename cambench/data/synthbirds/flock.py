"""A picture of several birds: each with a perch of its own, nearer ones in front, hardly covering one another.

Each sample shows one bird, the nearest, so the ground truth is as exact as for a single bird.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cambench.data.synthbirds import scene
from cambench.data.synthbirds.attributes import Species
from cambench.data.synthbirds.draw import Bird, palette, pose_bird, random_pose, regions
from cambench.data.synthbirds.picture import HALF, Picture, flatten, grain, lay, shading

TRIES = 200
OVERLAP = 0.02
"""Share of the smaller of two boxes that may lie in the other, if a place is found in so many tries."""
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Member:
    """A posed bird of a class with its own generator for what is still to be drawn of it."""

    label: int
    species: Species
    bird: Bird
    left: bool
    rng: np.random.Generator


def paint_flock(
    members: Sequence[tuple[int, Species]],
    family: str,
    bird_rngs: Sequence[np.random.Generator],
    scene_rng: np.random.Generator,
    size: int,
    *,
    scale: float = 1.0,
) -> Picture:
    """Birds (class, species) before a background of a family; each is drawn from a generator of its own.

    The picture's mask is where the bird of the lowest class shows, its regions where each does.
    """
    flock = gather(members, bird_rngs, scene_rng, size, scale)
    perches = [flatten(*scene.perch(m.bird.ground, scene_rng, size, scale)) for m in flock]
    perches = [(color * grain(scene_rng, size, 0.15, 40), cover) for color, cover in perches]
    light = ((0.85 + 0.25 * scene_rng.random()) * (0.95 + 0.1 * scene_rng.random(3))).astype(np.float32)
    image = scene.background(family, scene_rng, size)
    for perch in perches:
        image = lay(*perch, image)

    shown = np.zeros((size, size), dtype=np.uint8)
    canvases = [regions(m.bird, size) for m in flock]
    for i, member in enumerate(flock):
        nearer = np.any([canvas > 0 for canvas in canvases[i + 1 :]], axis=0)
        index = np.where(nearer, np.uint8(0), canvases[i])
        color, cover = flatten(index, palette(member.species, member.rng))
        shade = shading(cover, member.left, scale) * grain(member.rng, size, 0.05, 30)
        image = lay((color * shade).clip(0, 255), cover, image)
        shown[cover[..., 0] > HALF] = member.label + 1
    image = (image * light).clip(0, 255) + np.float32(0.5)
    return Picture(image.astype(np.uint8), shown == min(k for k, _ in members) + 1, {}, shown)


def gather(
    members: Sequence[tuple[int, Species]],
    bird_rngs: Sequence[np.random.Generator],
    rng: np.random.Generator,
    size: int,
    scale: float,
) -> list[Member]:
    """The birds posed and placed, the farthest one, which stands highest, first."""
    flock, boxes = [], list[Box]()
    for (label, species), own in zip(members, bird_rngs, strict=True):
        pose = random_pose(own)
        pose = replace(pose, area=pose.area * scale**2)
        bird = pose_bird(species, pose, size)
        x0, y0, x1, y1 = bounds(bird)
        box = free_place(boxes, x1 - x0, y1 - y0, rng, size)
        boxes.append(box)
        flock.append(Member(label, species, moved(bird, box[0] - x0, box[1] - y0), pose.left, own))
    return sorted(flock, key=lambda m: float(m.bird.ground[:, 1].mean()))


def bounds(bird: Bird) -> Box:
    """The box of a bird in pixels."""
    solid = np.concatenate([shape for _, shape, over in bird.layers if not over])
    (x0, y0), (x1, y1) = solid.min(0), solid.max(0)
    return float(x0), float(y0), float(x1), float(y1)


def moved(bird: Bird, right: float, down: float) -> Bird:
    """The same bird elsewhere."""
    step = np.array([right, down])
    points = {name: (x + right, y + down) for name, (x, y) in bird.keypoints.items()}
    return Bird([(region, shape + step, over) for region, shape, over in bird.layers], points, bird.ground + step)


def free_place(taken: Sequence[Box], width: float, height: float, rng: np.random.Generator, size: int) -> Box:
    """A box inside the picture: the first one drawn that is clear of the boxes taken, else the one that overlaps least."""
    least, freest = float("inf"), (0.0, 0.0, width, height)
    for _ in range(TRIES):
        x, y = (size - width) * float(rng.random()), (size - height) * float(rng.random())
        box = (x, y, x + width, y + height)
        covered = max((overlap(box, other) for other in taken), default=0.0)
        if covered < least:
            least, freest = covered, box
        if least <= OVERLAP:
            break
    return freest


def overlap(a: Box, b: Box) -> float:
    """The share of the smaller box that lies in the other."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return max(width, 0.0) * max(height, 0.0) / smaller
