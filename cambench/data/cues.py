"""Cues: the parts in which two classes of birds differ, and where those parts are in an image (Table 1, CALM protocol §2.1).

Class attributes say which parts tell two classes apart; key points and the segmentation say which pixels show them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cambench.data import decode
from cambench.vocabulary import DataError, Sample

PARTS = ("head", "back", "belly", "breast", "tail", "leg", "wing")
"""Part 1 to 7, in the order in which a tie between two key points is decided."""
WORDS = {
    "head": ("bill", "crown", "eye", "forehead", "head", "nape", "throat"),
    **{part: (part,) for part in PARTS[1:]},
}
"""Part -> words; an attribute whose name contains one of them describes the part."""
HEAD = frozenset({2, 5, 6, 7, 10, 11, 15})
"""Beak, crown, forehead, left eye, nape, right eye, throat among the 15 key points of CUB-200-2011."""
OTHERS = {1: 2, 3: 3, 4: 4, 14: 5, 8: 6, 12: 6, 9: 7, 13: 7}
"""Every other key point -> its part: back, belly, breast, tail; left and right leg; left and right wing."""
PRESENT = 50.0
"""A class has an attribute from this percentage on."""
MOST = 3
"""Pairs of classes that differ in more parts are not looked at."""

Point = tuple[int, int, int]
"""(part 1…7, x, y)."""


class Pair(NamedTuple):
    """Two classes a < b and the parts (1…7, ascending) in which their attributes differ."""

    a: int
    b: int
    parts: tuple[int, ...]


def part_of(attribute: str) -> int:
    """The part (1…7) that an attribute such as `has_bill_shape::dagger` describes; 0 for none.

    The whole name counts, values included: `has_shape::long-legged-like` describes the leg. Source: authors' code.
    Raises: DataError for a name that describes two parts.
    """
    parts = [i for i, part in enumerate(PARTS, 1) if any(word in attribute for word in WORDS[part])]
    if len(parts) > 1:
        names = " and ".join(PARTS[i - 1] for i in parts)
        raise DataError(f"attribute {attribute}: expected words of one part at most, got those of {names}.")
    return parts[0] if parts else 0


def differing_parts(attributes: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.bool_]:
    """Whether two classes differ in a part: one has an attribute of it (≥ 50 %), the other has not.

    Source: CALM §5.2; threshold of the authors' code (CALM protocol §2.1). attributes (C,A) in percent, A names ->
    (C,C,7) bool.
    Raises: DataError unless there is a name for each column.
    """
    if attributes.ndim != 2 or attributes.shape[1] != len(names):
        raise DataError(f"class attributes: expected {len(names)} columns, one a name, got shape {attributes.shape}.")
    present, parts = attributes >= PRESENT, np.array([part_of(name) for name in names])
    differ = np.zeros((len(present), len(present), len(PARTS)), dtype=bool)
    for part in range(1, len(PARTS) + 1):
        has = present[:, parts == part]
        differ[:, :, part - 1] = (has[:, None] != has[None]).any(2)
    return differ


def cue_pairs(attributes: NDArray[np.float64], names: Sequence[str], most: int = MOST) -> list[Pair]:
    """The pairs of classes that differ in 1 to `most` parts, ordered by how many parts, then by class."""
    differ = differing_parts(attributes, names)
    pairs = (Pair(a, b, tuple((np.flatnonzero(differ[a, b]) + 1).tolist())) for a, b in combinations(range(len(differ)), 2))
    return sorted((p for p in pairs if 1 <= len(p.parts) <= most), key=lambda p: (len(p.parts), p.a, p.b))


def points_of(sample: Sample, size: tuple[int, int], side: int) -> list[Point]:
    """The visible key points of an image of `size` (width, height), in pixels of its side×side input, ordered by part.

    Those of the head become one, their mean; legs and wings stay apart, two of one part in the order of their key points.
    Scaled, then grouped, then truncated to whole pixels. Source: authors' code (CALM protocol §2.1).
    """
    scaled = [(number, x / size[0] * side, y / size[1] * side) for number, x, y in sample.parts]
    head = [(x, y) for number, x, y in scaled if number in HEAD]
    points = [(1, sum(x for x, _ in head) / len(head), sum(y for _, y in head) / len(head))] if head else []
    points += sorted(((OTHERS[n], x, y) for n, x, y in sorted(scaled) if n not in HEAD), key=itemgetter(0))
    return [(part, int(x), int(y)) for part, x, y in points]


def nearest_part(points: Sequence[Point], side: int) -> NDArray[np.int8]:
    """The part of each pixel's nearest key point, squared Euclidean; of equally near ones the first. -> (side,side) int8.

    Raises: DataError without a point.
    """
    if not points:
        raise DataError("nearest part: expected at least one visible key point, got none.")
    part, x, y = (np.array(column) for column in zip(*points, strict=True))
    line = np.arange(side)
    across, down = (line - x[:, None]) ** 2, (line - y[:, None]) ** 2
    nearest: NDArray[np.int8] = part[(down[:, :, None] + across[:, None]).argmin(0)].astype(np.int8)
    return nearest


def cue_mask(nearest: NDArray[np.int8], parts: Collection[int], foreground: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of the foreground that are nearest to one of the parts: all (side,side).

    The paper does not mention the foreground; the authors' code keeps to it (CALM protocol §6.5).
    """
    return np.isin(nearest, list(parts)) & foreground


def foreground_of(sample: Sample, side: int) -> NDArray[np.bool_]:
    """Where the segmentation, as 8-bit grey resized (bicubic), is above 0. Source: authors' code (CALM protocol §2.1).

    Raises: DataError where the image has none or it cannot be read.
    """
    with decode.opened(decode.segmentation(sample)) as image:
        return np.asarray(image.convert("L").resize((side, side), Image.Resampling.BICUBIC)) > 0
