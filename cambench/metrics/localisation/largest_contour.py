"""The box of the largest contour of a map at every threshold at once: MaxBoxAcc's first form looks at no other.

Largest is the area inside the contour, as OpenCV's `contourArea` has it: the polygon through the centres of the border
pixels, that is ½ for each 2×2 block of pixels of which three are inside, 1 for each with all four, holes filled. So only
the outer contours of components that lie in no hole compete; in the map with its holes filled these are the components,
and one sweep with union-find over its levels answers every threshold.
Source: Choe et al. 2020 (WSOL benchmark), its evaluator; levels and stored boxes as in CALM protocol §5.2.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cambench.metrics.localisation.contour_boxes import ARCS, LEVELS, RING, find, grow, sorted_pixels

CORNERS = [[corner - 1, corner, (corner + 1) % 8] for corner in (1, 3, 5, 7)]
"""The places of RING that make a 2×2 block with the pixel in their middle."""
HALVES = np.array([sum(sum(p >> k & 1 for k in block) >= 2 for block in CORNERS) for p in range(256)], dtype=np.int64)
"""Pattern of neighbours that are there (a bit a place of RING) -> by how many halves the area grows where a pixel joins."""


def largest_ious(quantised: NDArray[np.uint8], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """The IoU of the largest contour's box with the annotated box that it meets best, at each threshold level: (max(q),).

    quantised: (H,W); truth: (B,4) corners x0, y0, x1, y1, all inclusive.
    """
    boxes = largest_boxes(np.ascontiguousarray(quantised), int(quantised.max()), ARCS[0], HALVES)
    low = np.maximum(boxes[:, None, :2], truth[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], truth[None, :, 2:])
    shared = (high - low + 1).clip(min=0).prod(2)
    one, other = ((b[:, 2:] - b[:, :2] + 1).prod(1) for b in (boxes, truth))
    best: NDArray[np.float64] = (shared / (one[:, None] + other[None] - shared)).max(1)
    return best


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def largest_boxes(quantised, top, arcs, halves):  # type: ignore[no-untyped-def]
    """The stored box of the largest contour at each threshold level 0 … top − 1, top being max(q): (top,4).

    Of equally large ones that whose first pixel in reading order comes last, which OpenCV lists first.
    """
    height, width = quantised.shape
    order, first = sorted_pixels(filled(quantised))
    stride, n = width + 2, (width + 2) * (height + 2)
    steps = np.array([dy * stride + dx for dy, dx in RING])
    active, parent = np.zeros(n, np.uint8), np.zeros(n, np.int32)
    box, area, begin = np.zeros((n, 4), np.int32), np.zeros(n, np.int64), np.zeros(n, np.int32)
    roots, count = np.zeros(len(order), np.int32), 0
    boxes = np.zeros((top, 4), np.int64)
    for level in range(top, 0, -1):
        for place in order[first[level] : first[level + 1]]:
            y, x = divmod(place, stride)
            pattern = 0
            for side in range(8):
                pattern |= active[place + steps[side]] << side
            active[place] = 1
            parent[place], begin[place], area[place] = place, place, halves[pattern]
            box[place, 0], box[place, 1], box[place, 2], box[place, 3] = x, y, x, y
            for arc in range(1, arcs[pattern, 0] + 1):
                absorb(find(parent, place), find(parent, place + steps[arcs[pattern, arc]]), parent, box, area, begin)
            if parent[place] == place:
                roots[count] = place
                count += 1
        count = standing(roots, count, parent)
        best = roots[0]
        for root in roots[1:count]:
            if area[root] > area[best] or (area[root] == area[best] and begin[root] > begin[best]):
                best = root
        boxes[level - 1, 0], boxes[level - 1, 1] = box[best, 0] - 1, box[best, 1] - 1
        boxes[level - 1, 2], boxes[level - 1, 3] = min(box[best, 2], width - 1), min(box[best, 3], height - 1)
    return boxes


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def filled(quantised):  # type: ignore[no-untyped-def]
    """The map with its holes filled at every level: the least height over which water from outside reaches a pixel.

    Water passes between 4-neighbours, as holes are 4-connected. A bucket a level, from the border inwards.
    """
    height, width = quantised.shape
    level_of = np.full(height * width, -1, np.int16)
    waiting, below = np.full(LEVELS, -1, np.int32), np.zeros(height * width, np.int32)
    for place in range(height * width):
        y, x = divmod(place, width)
        if y == 0 or x == 0 or y == height - 1 or x == width - 1:
            level_of[place] = quantised[y, x]
            below[place], waiting[level_of[place]] = waiting[level_of[place]], place
    for level in range(LEVELS):
        while waiting[level] >= 0:
            place = waiting[level]
            waiting[level] = below[place]
            y, x = divmod(place, width)
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= v < height and 0 <= u < width and level_of[v * width + u] < 0:
                    next_place = v * width + u
                    level_of[next_place] = max(level, quantised[v, u])
                    below[next_place], waiting[level_of[next_place]] = waiting[level_of[next_place]], next_place
    return level_of.reshape(height, width).astype(np.uint8)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def absorb(a, b, parent, box, area, begin):  # type: ignore[no-untyped-def]
    """Unite two roots in the second one."""
    if a != b:
        grow(box, b, box[a, 0], box[a, 1], box[a, 2], box[a, 3])
        area[b] += area[a]
        begin[b] = min(begin[a], begin[b])
        parent[a] = b


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def standing(roots, count, parent):  # type: ignore[no-untyped-def]
    """Move the roots that are still roots to the front; how many they are."""
    kept = 0
    for i in range(count):
        if parent[roots[i]] == roots[i]:
            roots[kept] = roots[i]
            kept += 1
    return kept
