"""COCO's masks, slowly: the text of run lengths as its writers make it, and polygons a pixel at a time."""

from __future__ import annotations


def packed(counts: list[int]) -> str:
    """Run lengths -> COCO's text: differences to the one two before from the fourth on, five bits a character."""
    text = ""
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        while True:
            low, value = value % 32, value // 32
            last = value == -1 if low >= 16 else value == 0
            text += chr(48 + low + (0 if last else 32))
            if last:
                break
    return text


def runs(mask: list[list[int]]) -> list[int]:
    """The run lengths of a mask's zeros and ones in turn, column by column, beginning with the zeros."""
    counts, value = [0], 0
    for x in range(len(mask[0])):
        for row in mask:
            if row[x] != value:
                counts.append(0)
                value = row[x]
            counts[-1] += 1
    return counts


def inside(corners: list[tuple[float, float]], x: float, y: float) -> bool:
    """Whether a point lies in a polygon: a ray to the right crosses its edges an odd number of times."""
    odd = False
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            odd = not odd
    return odd
