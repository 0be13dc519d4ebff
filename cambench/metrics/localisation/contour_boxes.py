"""Boxes of the contours of a map at every threshold at once: how well the best of them meets the annotated boxes.

A threshold level ℓ turns a quantised map q into the foreground q > ℓ. OpenCV's contour tree of it (`RETR_TREE`) has one
contour for each 8-connected foreground component and one for each hole, a 4-connected background component that does not
reach the image's edge. Both families are trees over the levels, so two sweeps with union-find, in which each component
carries its box and the box's best IoU, answer every level in one pass over the pixels, bit for bit.
Source: the WSOL benchmark's evaluator as described in CALM protocol §5.2–5.3. Compiled by numba on first use.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

LEVELS, POWERS = 256, 9
RING = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
"""(row, column) steps to the eight neighbours, clockwise from the one above: even places are the 4-neighbours."""


def representatives(diagonal: bool) -> NDArray[np.int64]:
    """Pattern of active neighbours (a bit a place of RING) -> how many connected arcs they form, then one place of each.

    Neighbours of one arc are in one component already, so one look a component is enough. diagonal: 8-connectivity, where
    ring neighbours touch, and two 4-neighbours also touch over their corner; else 4-connectivity, where 4-neighbours
    count alone and touch through the corner between them.
    """
    table = np.zeros((256, 5), dtype=np.int64)
    for pattern in range(256):
        active = [k for k in range(8) if pattern >> k & 1 and (diagonal or k % 2 == 0)]
        group = {k: k for k in active}
        for k in active:
            across = k % 2 == 0 and (k + 2) % 8 in group and (diagonal or bool(pattern >> (k + 1) % 8 & 1))
            for other in [(k + 1) % 8] * diagonal + [(k + 2) % 8] * across:
                if other in group:
                    old, new = group[other], group[k]
                    group = {place: new if g == old else g for place, g in group.items()}
        places = sorted(set(group.values()))
        table[pattern, : 1 + len(places)] = [len(places), *places]
    return table


ARCS = np.stack([representatives(diagonal=True), representatives(diagonal=False)])


def best_ious(quantised: NDArray[np.uint8], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """The best IoU of any contour's box with any annotated box, at each threshold level 0 … max(q)−1: (max(q),) float64.

    quantised: (H,W); truth: (B,4) corners x0, y0, x1, y1, all inclusive.
    """
    curve: NDArray[np.float64] = sweeps(np.ascontiguousarray(quantised), np.ascontiguousarray(truth, dtype=np.int64), ARCS)
    return curve


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def sweeps(quantised, truth, arcs):  # type: ignore[no-untyped-def]
    """Both sweeps over the pixels in order of their values, and the maximum over the boxes alive at each level."""
    height, width = quantised.shape
    order, first = sorted_pixels(quantised)
    top = 0
    for value in range(LEVELS):
        if first[value + 1] > first[value]:
            top = value
    best = np.zeros((POWERS, LEVELS))
    for holes in (False, True):
        sweep(order, first, top, width, height, truth, arcs[1 if holes else 0], holes, best)
    for power in range(POWERS - 1, 0, -1):
        half = 1 << (power - 1)
        for i in range(LEVELS - half):
            best[power - 1, i] = max(best[power - 1, i], best[power, i])
            best[power - 1, i + half] = max(best[power - 1, i + half], best[power, i])
    return best[0, :top].copy()


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def sorted_pixels(quantised):  # type: ignore[no-untyped-def]
    """Places of the pixels in the array padded by one, by ascending value; where each value begins (257,)."""
    height, width = quantised.shape
    first = np.zeros(LEVELS + 1, np.int64)
    for value in quantised.ravel():
        first[value + 1] += 1
    for value in range(LEVELS):
        first[value + 1] += first[value]
    free = first[:-1].copy()
    order = np.empty(height * width, np.int32)
    for y in range(height):
        for x in range(width):
            value = quantised[y, x]
            order[free[value]] = (y + 1) * (width + 2) + x + 1
            free[value] += 1
    return order, first


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def sweep(order, first, top, width, height, truth, arcs, holes, best):  # type: ignore[no-untyped-def]
    """One sweep: foreground components from the highest value down, or holes from the lowest up.

    A component's root holds its box (padded places) and, since level `born`, the box's IoU. Where the box of a root
    changes or the root is absorbed, the levels at which it stood as it was are recorded with its IoU. Of two components
    that meet, one whose box holds the other's stays the root, with box, IoU and birth.
    """
    stride, n = width + 2, (width + 2) * (height + 2)
    steps = np.array([dy * stride + dx for dy, dx in RING])
    active = np.zeros(n, np.uint8)
    parent = np.zeros(n, np.int32)
    box = np.zeros((n, 4), np.int32)
    iou = np.zeros(n)
    born = np.zeros(n, np.int32)
    changed = np.zeros(n, np.bool_)
    dirty = np.zeros(len(order) + 1, np.int32)  # roots whose box is new at this level; the last entry counts them
    if holes:
        outside(active, box, width, height)
    for k in range(top):
        level = k if holes else top - k
        for i in range(first[level], first[level + 1]):
            place = order[i]
            pattern = 0
            for side in range(8):
                pattern |= active[place + steps[side]] << side
            active[place] = 1
            y, x = divmod(place, stride)
            root = -1
            for arc in range(1, arcs[pattern, 0] + 1):
                other = find(parent, place + steps[arcs[pattern, arc]])
                if root < 0:
                    root = other
                    parent[place] = root
                    if x < box[root, 0] or y < box[root, 1] or x > box[root, 2] or y > box[root, 3]:
                        start_change(root, iou, born, changed, level, holes, best, dirty)
                        grow(box, root, x, y, x, y)
                elif other != root:
                    root = merge(root, other, parent, box, iou, born, changed, level, holes, best, dirty)
            if root < 0:
                parent[place] = place
                box[place, 0], box[place, 1], box[place, 2], box[place, 3] = x, y, x, y
                changed[place] = True
                append(dirty, place)
        settle(level, parent, box, iou, born, changed, dirty, truth, width, height, holes)
    for place in order[first[0] : first[top]] if holes else order[first[1] :]:
        if parent[place] == place:
            record(best, born[place] if holes else 0, top - 1 if holes else born[place] - 1, iou[place])


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def outside(active, box, width, height):  # type: ignore[no-untyped-def]
    """Before holes are swept: the ring around the image is one component with root 0, which holds all and never changes."""
    for place in range(len(active)):
        y, x = divmod(place, width + 2)
        active[place] = y == 0 or x == 0 or y == height + 1 or x == width + 1
    box[0, 2], box[0, 3] = width + 1, height + 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def settle(level, parent, box, iou, born, changed, dirty, truth, width, height, holes):  # type: ignore[no-untyped-def]
    """After a level: the roots whose box is new get its IoU."""
    for i in range(dirty[-1]):
        root = dirty[i]
        if parent[root] == root:
            changed[root] = False
            born[root] = level
            iou[root] = best_iou(box, root, truth, width, height, 1 if holes else 0)
    dirty[-1] = 0


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def find(parent, place):  # type: ignore[no-untyped-def]
    """The root of a place; the way there is halved."""
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = parent[place]
    return place


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def merge(a, b, parent, box, iou, born, changed, level, holes, best, dirty):  # type: ignore[no-untyped-def]
    """Unite two roots; the one that stays."""
    if contains(box, a, b):
        a, b = b, a
    elif not contains(box, b, a):
        start_change(b, iou, born, changed, level, holes, best, dirty)
        grow(box, b, box[a, 0], box[a, 1], box[a, 2], box[a, 3])
    retire(a, iou, born, changed, level, holes, best)
    parent[a] = b
    return b


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def contains(box, outer, inner):  # type: ignore[no-untyped-def]
    """Whether the box of one root holds that of another."""
    return (
        box[outer, 0] <= box[inner, 0]
        and box[outer, 1] <= box[inner, 1]
        and box[outer, 2] >= box[inner, 2]
        and box[outer, 3] >= box[inner, 3]
    )


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def grow(box, root, x0, y0, x1, y1):  # type: ignore[no-untyped-def]
    """Make a root's box hold another."""
    box[root, 0] = min(box[root, 0], x0)
    box[root, 1] = min(box[root, 1], y0)
    box[root, 2] = max(box[root, 2], x1)
    box[root, 3] = max(box[root, 3], y1)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def start_change(root, iou, born, changed, level, holes, best, dirty):  # type: ignore[no-untyped-def]
    """Record what a root was until this level and enter it in `dirty`, the first time that it changes there."""
    if not changed[root]:
        retire(root, iou, born, changed, level, holes, best)
        changed[root] = True
        append(dirty, root)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def append(dirty, root):  # type: ignore[no-untyped-def]
    """Enter a root."""
    dirty[dirty[-1]] = root
    dirty[-1] += 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def retire(root, iou, born, changed, level, holes, best):  # type: ignore[no-untyped-def]
    """Record the levels at which a root's box stood as it was until now; nothing for one that is new at this level."""
    if changed[root]:
        return
    if holes:
        record(best, born[root], level - 1, iou[root])
    else:
        record(best, level, born[root] - 1, iou[root])


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def record(best, low, high, value):  # type: ignore[no-untyped-def]
    """Raise the levels low … high to at least `value`: two entries of a table of powers of two, pushed down at the end."""
    if high < low:
        return
    power = 0
    while 2 << power <= high - low + 1:
        power += 1
    best[power, low] = max(best[power, low], value)
    end = high - (1 << power) + 1
    best[power, end] = max(best[power, end], value)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def best_iou(box, root, truth, width, height, grown):  # type: ignore[no-untyped-def]
    """The best IoU of a component's stored box with the annotated ones, corners inclusive on both sides.

    A foreground component xa … xb is stored as (xa, min(xb+1, W−1)), a hole, whose contour runs around it, as
    (xa−1, min(xb+2, W−1)); rows alike. box: padded places, one more than pixels. grown: 1 for a hole.
    """
    x0, y0 = box[root, 0] - 1 - grown, box[root, 1] - 1 - grown
    x1, y1 = min(box[root, 2] + grown, width - 1), min(box[root, 3] + grown, height - 1)
    area = (x1 - x0 + 1) * (y1 - y0 + 1)
    best = 0.0
    for i in range(len(truth)):
        wide = min(x1, truth[i, 2]) - max(x0, truth[i, 0]) + 1
        tall = min(y1, truth[i, 3]) - max(y0, truth[i, 1]) + 1
        if wide > 0 and tall > 0:
            shared = wide * tall
            other = (truth[i, 2] - truth[i, 0] + 1) * (truth[i, 3] - truth[i, 1] + 1)
            best = max(best, shared / (area + other - shared))
    return best
