"""The bird in pixels: a pose places the shapes, an index canvas at four times the size says which region each pixel shows.

Picture, segmentation and key points all come from that one canvas, so the ground truth is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

from cambench.data.synthbirds import shapes
from cambench.data.synthbirds.attributes import COLORS, Plumage, Species, Tail
from cambench.data.synthbirds.shapes import Points

SUPER = 4
"""Samples a pixel and axis."""

REGIONS = (
    "nothing", "far leg", "near leg", "tail", "tail mark", "tail line", "back", "back mark", "belly", "belly mark", "breast",
    "breast mark", "wing", "wing mark", "wing line", "face", "crown", "head mark", "bill", "bill line", "rim", "eye",
    "glint",
)  # fmt: skip
ID = {name: i for i, name in enumerate(REGIONS)}

KEYPOINT_REGIONS: dict[str, tuple[str, ...]] = {
    "back": ("back", "back mark"),
    "beak": ("bill", "bill line"),
    "belly": ("belly", "belly mark"),
    "breast": ("breast", "breast mark"),
    "crown": ("crown",),
    "forehead": ("crown", "head mark"),
    "eye": ("eye", "glint"),
    "near leg": ("near leg",),
    "far leg": ("far leg",),
    "wing": ("wing", "wing mark", "wing line"),
    "nape": ("crown", "head mark"),
    "tail": ("tail", "tail mark", "tail line"),
    "throat": ("face", "head mark"),
}
"""Key point -> the regions that must show at its pixel for it to be visible."""


@dataclass(frozen=True)
class Pose:
    """How a bird holds itself: its side, degrees of the whole and at its joints, how thick belly and head are, its place.

    `area` is the share of the image that its bounding box takes; `place` says where the box lies in the room that is left,
    0 to 1 along x and y, and beyond that range that share of the box lies outside the picture.
    """

    left: bool
    tilt: float
    joints: dict[str, float]
    plump: float
    head: float
    area: float
    place: tuple[float, float]


def random_pose(rng: np.random.Generator) -> Pose:
    """A pose; only uniform numbers are drawn, whose bits are the same everywhere."""

    def between(low: float, high: float) -> float:
        return low + (high - low) * float(rng.random())

    left = rng.random() < 0.5
    body = between(-16, 8)
    joints = {
        "body": body,
        "head": between(-10, 14),
        "tail": between(-22, 18),
        "wing": between(-4, 8),
        "leg": between(-5, 5),
    }
    place = [between(0, 1), between(0, 1)]
    if rng.random() < 0.08:  # a little of the bird lies outside the picture
        place[int(rng.integers(2))] = float(rng.choice([-0.08, 1.08]))
    return Pose(
        left, between(-9, 9), joints, between(0.92, 1.08), between(1.06, 1.16), between(0.2, 0.44), (place[0], place[1])
    )


@dataclass
class Bird:
    """A posed bird in pixels of the image: region and polygon in painting order, key points, the ground under its feet."""

    layers: list[tuple[str, Points, tuple[str, ...]]] = field(default_factory=list)
    keypoints: dict[str, tuple[float, float]] = field(default_factory=dict)
    ground: Points = field(default_factory=lambda: np.zeros((2, 2)))


class _Sketch:
    """Collects shapes in bird units; each joint turns them, those of head, tail and wing also turn with the body."""

    def __init__(self, pose: Pose) -> None:
        self.pose = pose
        self.layers: list[tuple[str, Points, tuple[str, ...]]] = []

    def posed(self, joint: str, shape: Points) -> Points:
        """A shape as the pose holds it, still in bird units."""
        if joint == "head":
            middle = np.array(shapes.HEAD_MIDDLE)
            shape = middle + (shape - middle) * self.pose.head
        else:  # a plump bird swells about its middle
            y = shape[:, 1]
            shape = np.stack([shape[:, 0], np.where((y > 0) & (y < 0.45), y * self.pose.plump, y)], 1)
        if joint != "body":
            shape = shapes.turn(shape, self.pose.joints[joint], shapes.PIVOTS[joint])
        if joint != "leg":
            shape = shapes.turn(shape, self.pose.joints["body"], shapes.PIVOTS["body"])
        shape = shapes.turn(shape, self.pose.tilt, (0.0, 0.0))
        return shape * np.array([-1.0, 1.0]) if self.pose.left else shape

    def add(self, region: str, joint: str, *shape: Points, over: tuple[str, ...] = ()) -> None:
        """Paint shapes as a region; `over`: only where one of these regions shows."""
        if shape:
            ends = np.cumsum([len(s) for s in shape])[:-1]
            self.layers += [(region, s, over) for s in np.split(self.posed(joint, np.concatenate(shape)), ends)]


def _underparts(sketch: _Sketch, species: Species) -> None:
    for side, x in (("far", -0.05), ("near", 0.12)):
        shank, toes, _ = shapes.leg(x, species.leg.long)
        sketch.add(f"{side} leg", "leg", shank, toes)
    outline = shapes.tail(species.tail.shape)
    sketch.add("tail", "tail", outline)
    sketch.add("tail mark", "tail", *shapes.pattern(species.tail.pattern, "tail"), over=("tail",))
    x, y = shapes.PIVOTS["tail"]
    vanes = (shapes.points((x, y + d / 3), (x - 0.3, y + d * 0.7), (x - 0.6, y + d)) for d in (-0.07, 0.07))
    sketch.add("tail line", "tail", *(shapes.stroke(v, (0.016,) * 3) for v in vanes), over=("tail", "tail mark"))
    sketch.add("back", "body", shapes.BODY)
    sketch.add("back mark", "body", *shapes.pattern(species.back.pattern, "back"), over=("back",))
    for part, shape in (("belly", shapes.BELLY), ("breast", shapes.BREAST)):
        below = ("back", "back mark", "belly", "belly mark")
        sketch.add(part, "body", shape, over=below)
        sketch.add(f"{part} mark", "body", *shapes.pattern(getattr(species, part).pattern, part), over=(part,))


def _wing_and_head(sketch: _Sketch, species: Species) -> None:
    sketch.add("wing line", "wing", shapes.WING)
    middle = np.array([-0.12, 0.10])
    sketch.add("wing", "wing", middle + (shapes.WING - middle) * 0.93)
    sketch.add("wing mark", "wing", *shapes.pattern(species.wing.pattern, "wing"), over=("wing",))
    feathers = (shapes.stroke(f, (0.02,) * 3) for f in shapes.WING_FEATHERS)
    sketch.add("wing line", "wing", *feathers, over=("wing", "wing mark"))
    if species.head.pattern == "crested":
        sketch.add("crown", "head", shapes.CREST)
    bill = shapes.BILLS[species.head.bill_shape] + np.array(shapes.BILL)
    sketch.add("bill", "head", bill)
    x, y = shapes.BILL
    gape = shapes.stroke(shapes.points((x, y + 0.01), (x + 0.1, y + 0.014), (x + 0.2, y + 0.02)), (0.016,) * 3)
    sketch.add("bill line", "head", gape, over=("bill",))
    sketch.add("face", "head", shapes.HEAD)
    crown = shapes.CAP if species.head.pattern == "capped" else shapes.CROWN
    sketch.add("crown", "head", crown, over=("face",))
    sketch.add("head mark", "head", *shapes.head_mark(species.head.pattern), over=("face", "crown"))
    sketch.add("rim", "head", shapes.disc(*shapes.EYE, 0.060))
    sketch.add("eye", "head", shapes.disc(*shapes.EYE, 0.046))
    sketch.add("glint", "head", shapes.disc(shapes.EYE[0] + 0.014, shapes.EYE[1] - 0.016, 0.015, corners=6))


def pose_bird(species: Species, pose: Pose, size: int) -> Bird:
    """The bird of a species in a pose, in the pixels of a size×size image."""
    sketch = _Sketch(pose)
    _underparts(sketch, species)
    _wing_and_head(sketch, species)
    solid = np.concatenate([shape for _, shape, over in sketch.layers if not over])
    low, extent = solid.min(0), solid.max(0) - solid.min(0)
    scale = min((pose.area / (extent[0] * extent[1])) ** 0.5, 0.95 / extent.max()) * size
    room = size - scale * extent
    place = np.array(pose.place)
    beyond = place - place.clip(0, 1)
    shift = room * place.clip(0, 1) + beyond * scale * extent - scale * low

    def to_pixels(shape: Points) -> Points:
        placed: Points = shape * scale + shift
        return placed

    bird = Bird([(region, to_pixels(shape), over) for region, shape, over in sketch.layers])
    for name, (joint, x, y) in shapes.KEYPOINTS.items():
        (spot,) = to_pixels(sketch.posed(joint, shapes.points((x, y))))
        bird.keypoints[name] = (float(spot[0]), float(spot[1]))
    feet = [shapes.leg(x, species.leg.long)[2] for x in (-0.05, 0.12)]
    bird.ground = to_pixels(sketch.posed("leg", shapes.points(*feet)))
    return bird


def fill(draw: ImageDraw.ImageDraw, shape: Points, value: int) -> None:
    """Fill a polygon given in image pixels on a canvas of SUPER samples a pixel; corners snap to whole samples."""
    draw.polygon(np.floor(shape * SUPER + 0.5).ravel().tolist(), fill=value)


def regions(bird: Bird, size: int) -> NDArray[np.uint8]:
    """Which region each sample shows: (SUPER·size, SUPER·size), 0 where there is no bird."""
    canvas = Image.new("L", (SUPER * size, SUPER * size), 0)
    for (region, over), layers in groupby(bird.layers, key=lambda layer: (layer[0], layer[2])):
        scratch = Image.new("L", canvas.size, 0) if over else canvas
        draw = ImageDraw.Draw(scratch)
        for _, shape, _ in layers:
            fill(draw, shape, 255 if over else ID[region])
        if over:
            allowed = {ID[name] for name in over}
            below = canvas.point([255 * (i in allowed) for i in range(256)])
            canvas.paste(ID[region], mask=ImageChops.darker(scratch, below))
    return np.asarray(canvas)


def palette(species: Species, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The colour of each region (256, 3): the species' looks, each a little lighter or darker from bird to bird."""
    head = species.head
    names = {
        "near leg": species.leg.color, "far leg": species.leg.color, "face": head.face, "crown": head.crown,
        "head mark": head.mark or head.face, "bill": head.bill, "bill line": head.bill, "rim": "buff",
        "eye": "black", "glint": "white",
    }  # fmt: skip
    for part in ("back", "belly", "breast", "wing", "tail"):
        look: Plumage | Tail = getattr(species, part)
        names |= {part: look.color, f"{part} mark": look.mark or look.color, f"{part} line": look.color}
    shade = {"far leg": 0.72, "wing line": 0.55, "tail line": 0.6, "bill line": 0.5, "rim": 0.55}
    table = np.zeros((256, 3))
    gain = (0.9 + 0.16 * rng.random((len(REGIONS), 1))) * (0.96 + 0.08 * rng.random((len(REGIONS), 3)))
    for name, color in names.items():
        if name in ID:
            table[ID[name]] = np.array(COLORS[color]) * shade.get(name, 1.0) * gain[ID[name]]
    lines = [ID["wing line"], ID["tail line"], ID["bill line"]]
    table[lines] += 12  # a line on black feathers is lighter than they are
    return (table.clip(0, 255) + 0.5).clip(0, 255).astype(np.uint8)
