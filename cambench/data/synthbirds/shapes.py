"""The bird as polygons, facing right, in bird units: x to the right, y down, the body about one unit long.

Every shape hangs on a joint (body, head, tail, wing or leg) about which a pose turns it. Nothing here knows pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

PIVOTS: dict[str, tuple[float, float]] = {
    "body": (0.02, 0.16),
    "head": (0.36, -0.30),
    "tail": (-0.44, 0.10),
    "wing": (0.20, -0.02),
    "leg": (0.02, 0.30),
}
"""Joint -> the point about which it turns."""

HEAD_MIDDLE = (0.41, -0.38)
"""Where a larger or smaller head stays in place."""

EYE = (0.475, -0.475)
BILL = (0.585, -0.435)
"""The middle of the eye, and of the bill's root."""

KEYPOINTS: dict[str, tuple[str, float, float]] = {
    "back": ("body", -0.06, -0.175),
    "beak": ("head", BILL[0] + 0.085, BILL[1] + 0.012),
    "belly": ("body", 0.02, 0.315),
    "breast": ("body", 0.37, 0.06),
    "crown": ("head", 0.385, -0.60),
    "forehead": ("head", 0.50, -0.565),
    "eye": ("head", *EYE),
    "near leg": ("leg", 0.105, 0.56),
    "far leg": ("leg", -0.065, 0.56),
    "wing": ("wing", -0.06, 0.085),
    "nape": ("head", 0.255, -0.455),
    "tail": ("tail", -0.70, 0.10),
    "throat": ("head", 0.475, -0.305),
}
"""Key point -> its joint and place; the side that faces away has no eye and no wing to be seen."""


def points(*pairs: tuple[float, float]) -> Points:
    """Pairs as an (n, 2) array."""
    return np.array(pairs, dtype=np.float64)


def turn(shape: Points, degrees: float, about: tuple[float, float]) -> Points:
    """Rotate clockwise on the screen; scalar sines and plain products give the same digits on every machine."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = shape[:, 0] - about[0], shape[:, 1] - about[1]
    return np.stack([about[0] + c * x - s * y, about[1] + s * x + c * y], 1)


def smooth(corners: Points, steps: int = 6) -> Points:
    """The closed Catmull-Rom curve through the corners, as a polygon."""
    a, b, c, d = (np.roll(corners, shift, 0)[:, None] for shift in (1, 0, -1, -2))
    t = (np.arange(steps, dtype=np.float64) / steps)[None, :, None]
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t * t * t)
    return curve.reshape(-1, 2)


def disc(x: float, y: float, rx: float, ry: float | None = None, corners: int = 14) -> Points:
    """An ellipse as a polygon."""
    angles = [2 * math.pi * i / corners for i in range(corners)]
    return points(*((x + rx * math.cos(a), y + (ry or rx) * math.sin(a)) for a in angles))


def stroke(path: Points, widths: Iterable[float]) -> Points:
    """A line through `path` as a polygon, with a width at each of its points."""
    step = np.gradient(path, axis=0)
    length = np.sqrt(step[:, 0] * step[:, 0] + step[:, 1] * step[:, 1])
    normal = np.stack([-step[:, 1] / length, step[:, 0] / length], 1) * np.array(list(widths))[:, None] / 2
    return np.concatenate([path + normal, (path - normal)[::-1]])


BODY = smooth(
    points(
        (0.24, -0.50), (0.17, -0.36), (0.02, -0.27), (-0.22, -0.15), (-0.46, 0.01), (-0.52, 0.12), (-0.42, 0.22),
        (-0.18, 0.36), (0.06, 0.42), (0.28, 0.36), (0.46, 0.18), (0.54, -0.04), (0.55, -0.22), (0.56, -0.36), (0.44, -0.50),
    )
)  # fmt: skip
BREAST = points((0.28, -0.27), (0.90, -0.32), (0.90, 0.30), (0.37, 0.60), (0.27, 0.22), (0.18, -0.08))
BELLY = points((0.27, 0.16), (0.37, 0.60), (-0.30, 0.62), (-0.80, 0.32), (-0.56, 0.13), (-0.2, 0.16))
HEAD = smooth(
    points((0.22, -0.42), (0.25, -0.56), (0.36, -0.655), (0.48, -0.635), (0.575, -0.53), (0.60, -0.43), (0.565, -0.30),
           (0.45, -0.235), (0.31, -0.25))
)  # fmt: skip
CROWN = points((0.10, -0.25), (0.27, -0.24), (0.335, -0.42), (0.42, -0.53), (0.62, -0.53), (0.70, -0.8), (0.10, -0.8))
CAP = points((0.10, -0.25), (0.27, -0.24), (0.34, -0.38), (0.45, -0.45), (0.70, -0.47), (0.70, -0.8), (0.10, -0.8))
CREST = smooth(
    points((0.54, -0.58), (0.40, -0.70), (0.20, -0.80), (0.04, -0.86), (0.12, -0.70), (0.21, -0.54), (0.35, -0.5)), 4
)
WING = smooth(
    points((0.27, 0.00), (0.20, -0.085), (0.04, -0.10), (-0.22, -0.02), (-0.48, 0.13), (-0.74, 0.31), (-0.46, 0.27),
           (-0.20, 0.26), (0.05, 0.235), (0.21, 0.14))
)  # fmt: skip
COVERT = smooth(
    points((0.30, 0.0), (0.2, -0.12), (0.02, -0.14), (-0.10, -0.02), (-0.06, 0.12), (0.08, 0.18), (0.22, 0.15)), 4
)
WING_FEATHERS = (
    points((-0.12, 0.02), (-0.36, 0.11), (-0.66, 0.28)),
    points((-0.10, 0.09), (-0.30, 0.16), (-0.56, 0.27)),
    points((-0.06, 0.15), (-0.24, 0.21), (-0.42, 0.26)),
)
WING_BARS = (
    points((0.16, -0.12), (0.07, 0.02), (0.10, 0.26)),
    points((-0.04, -0.12), (-0.13, 0.05), (-0.10, 0.28)),
    points((-0.26, -0.05), (-0.32, 0.12), (-0.30, 0.30)),
)

BILLS: dict[str, Points] = {
    "cone": points((-0.05, -0.10), (0.08, -0.075), (0.21, 0.025), (0.09, 0.09), (-0.05, 0.10)),
    "dagger": points((-0.05, -0.075), (0.16, -0.05), (0.38, 0.0), (0.39, 0.03), (0.16, 0.065), (-0.05, 0.08)),
    "needle": points((-0.05, -0.05), (0.20, -0.034), (0.41, -0.012), (0.41, 0.024), (0.20, 0.046), (-0.05, 0.055)),
    "hooked": smooth(points((-0.05, -0.10), (0.10, -0.09), (0.22, 0.0), (0.225, 0.12), (0.15, 0.065), (-0.05, 0.085)), 4),
    "all-purpose": points((-0.05, -0.07), (0.10, -0.045), (0.26, 0.015), (0.10, 0.06), (-0.05, 0.075)),
    "curved_(up_or_down)": smooth(
        points((-0.05, -0.06), (0.16, -0.05), (0.30, 0.03), (0.37, 0.16), (0.24, 0.07), (0.12, 0.035), (-0.05, 0.06)), 4
    ),
    "spatulate": smooth(
        points((-0.05, -0.05), (0.16, -0.035), (0.28, -0.1), (0.41, 0.0), (0.28, 0.11), (0.16, 0.05), (-0.05, 0.06)), 4
    ),
}
"""Bill shape -> its outline, relative to `BILL`."""

TAILS: dict[str, Points] = {
    "squared": points((0.08, -0.09), (-0.60, -0.125), (-0.60, 0.125), (0.08, 0.09)),
    "rounded": points(
        (0.08, -0.09), (-0.45, -0.14), (-0.57, -0.11), (-0.62, 0.0), (-0.57, 0.11), (-0.45, 0.14), (0.08, 0.09)
    ),
    "pointed": points((0.08, -0.09), (-0.36, -0.11), (-0.84, 0.0), (-0.36, 0.11), (0.08, 0.09)),
    "forked": points(
        (0.08, -0.08), (-0.40, -0.13), (-0.80, -0.22), (-0.42, 0.0), (-0.80, 0.22), (-0.40, 0.13), (0.08, 0.08)
    ),
    "notched": points((0.08, -0.09), (-0.62, -0.15), (-0.50, 0.0), (-0.62, 0.15), (0.08, 0.09)),
    "fan-shaped": points(
        (0.08, -0.08), (-0.46, -0.27), (-0.56, -0.17), (-0.61, 0.0), (-0.56, 0.17), (-0.46, 0.27), (0.08, 0.08)
    ),
}
"""Tail shape -> its outline with the root at the origin, pointing left."""

LEG_LENGTH = {False: 0.35, True: 0.60}


def tail(shape: str) -> Points:
    """A tail at its place."""
    return np.add(TAILS[shape], PIVOTS["tail"])


def leg(x: float, long: bool) -> tuple[Points, Points, tuple[float, float]]:
    """One leg with its root at x: shank, toes, and the point where it stands."""
    foot = 0.36 + LEG_LENGTH[long]
    knee = (x - 0.035, 0.30 + 0.45 * (foot - 0.30))
    shank = stroke(points((x, 0.30), knee, (x + 0.015, foot)), (0.10, 0.085, 0.08))
    toes = points((x - 0.10, foot + 0.035), (x - 0.02, foot - 0.04), (x + 0.05, foot - 0.04), (x + 0.19, foot + 0.03),
                  (x + 0.17, foot + 0.06), (x - 0.09, foot + 0.06))  # fmt: skip
    return shank, toes, (x + 0.04, foot + 0.05)


def head_mark(pattern: str) -> tuple[Points, ...]:
    """What a head pattern paints over face and crown."""
    x, y = EYE
    match pattern:
        case "masked":
            above, below = (
                ((0.63, -0.50), (x, y - 0.08), (0.30, y - 0.045)),
                ((0.36, y + 0.07), (x, y + 0.085), (0.63, -0.40)),
            )
            return (smooth(points(*above, (0.26, y), *below), 4),)
        case "eyebrow":
            return (stroke(points((0.62, -0.545), (x - 0.02, y - 0.085), (0.24, y - 0.03)), (0.05, 0.06, 0.05)),)
        case "eyeline":
            return (stroke(points((0.64, -0.445), (x, y), (0.22, y + 0.03)), (0.05, 0.055, 0.05)),)
        case "eyering":
            return (disc(x, y, 0.09),)
        case _:
            return ()


def pattern(kind: str, region: str) -> tuple[Points, ...]:
    """What a plumage pattern paints over a region (back, belly, breast, wing or tail)."""
    if kind == "solid":
        return ()
    if region == "wing":
        return _wing_pattern(kind)
    if region == "tail":
        return _tail_pattern(kind)
    if kind == "multi-colored":
        return (stroke(points((0.10, -0.05), (0.36, -0.04), (0.70, -0.10)), (0.15, 0.15, 0.15)),)
    if kind == "spotted":
        return tuple(disc(x, y, 0.034, corners=8) for x, y in _grid(-0.6, 0.65, -0.45, 0.5, 0.125))
    angle = {"back": 28.0, "belly": 0.0, "breast": -12.0}[region]
    rows = (points((-1.0, y), (0.0, y), (1.0, y)) for y in (i * 0.098 for i in range(-9, 10)))
    return tuple(turn(stroke(row, (0.046,) * 3), angle, (0.0, 0.0)) for row in rows)


def _grid(x0: float, x1: float, y0: float, y1: float, step: float) -> list[tuple[float, float]]:
    columns, rows = round((x1 - x0) / step), round((y1 - y0) / step)
    return [(x0 + (c + 0.5 * (r % 2)) * step, y0 + r * step) for r in range(rows + 1) for c in range(columns + 1)]


def _wing_pattern(kind: str) -> tuple[Points, ...]:
    if kind == "multi-colored":
        return (COVERT,)
    if kind == "striped":
        return tuple(stroke(bar, (0.07,) * 3) for bar in WING_BARS)
    return tuple(disc(x, y, 0.038, corners=8) for x, y in _grid(-0.70, 0.3, -0.11, 0.35, 0.13))


def _tail_pattern(kind: str) -> tuple[Points, ...]:
    x, y = PIVOTS["tail"]
    if kind == "multi-colored":
        return (points((x - 0.42, y - 0.5), (x - 1.2, y - 0.5), (x - 1.2, y + 0.5), (x - 0.42, y + 0.5)),)
    if kind == "striped":
        bars = (points((x - t, y - 0.4), (x - t, y), (x - t, y + 0.4)) for t in (0.18, 0.34, 0.50, 0.66))
        return tuple(stroke(bar, (0.075,) * 3) for bar in bars)
    return tuple(disc(px, py, 0.036, corners=8) for px, py in _grid(x - 0.8, x, y - 0.25, y + 0.25, 0.12))
