"""Tiling the object over, from the numbered text of ContrastiveCAM protocol §2: sets of cells, one cell at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float64]


def components(mask: Image) -> list[list[tuple[int, int]]]:
    """4-connected parts in the order of their first cell, found by walking."""
    seen: set[tuple[int, int]] = set()
    parts = []
    for start in np.ndindex(mask.shape):
        if mask[start] and start not in seen:
            part, waiting = [], [start]
            seen.add(start)
            while waiting:
                r, c = waiting.pop()
                part.append((r, c))
                for near in ((r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)):
                    inside = 0 <= near[0] < mask.shape[0] and 0 <= near[1] < mask.shape[1]
                    if inside and mask[near] and near not in seen:
                        seen.add(near)
                        waiting.append(near)
            parts.append(part)
    return parts


def candidate(mask: Image, side: str, rows: list[int], columns: list[int]) -> tuple[int, list[int], list[int]]:
    """Step 3: size and what is kept. rows, columns: those of the candidate that lie in the image."""
    n_r, n_c = len(rows), len(columns)
    if not any(mask[r, c] for r in rows for c in columns):
        return n_r * n_c, rows, columns
    colsum = [sum(int(mask[r, c]) for r in rows) for c in columns]
    rowsum = [sum(int(mask[r, c]) for c in columns) for r in rows]
    if side == "right":
        ks = [k for k in range(n_c) if sum(colsum[: n_c - k]) == 0]
        k = ks[0] if ks else 0
        return k * n_r, rows, columns[:k]
    if side == "left":
        ks = [k for k in range(n_c) if sum(rowsum[k:]) == 0]
        k = ks[0] if ks else 0
        return k * n_r, rows, columns[k:]
    if side == "up":
        ks = [k for k in range(n_r) if sum(colsum[: n_r - k]) == 0]
        k = ks[0] if ks else 0
        return k * n_c, rows[:k], columns
    ks = [k for k in range(n_r) if sum(rowsum[k:]) == 0]
    k = ks[0] if ks else 0
    return k * n_c, rows[k:], columns


def official(image: Image, mask: Image) -> Image:
    """image (3,H,W)."""
    image = image.copy()
    height, width = mask.shape
    for part in components(mask):
        r, c = [p[0] for p in part], [p[1] for p in part]
        if max(r) == min(r) or max(c) == min(c):
            continue
        x0, x1, y0, y1 = min(r), max(r) - 1, min(c), max(c) - 1
        w, h = x1 - x0, y1 - y0
        spans = {
            "right": (range(y0, y1), range(x1, 2 * x1 - x0)),
            "left": (range(y0, y1), range(2 * x0 - x1, x0)),
            "up": (range(y1, 2 * y1 - y0), range(x0, x1)),
            "down": (range(2 * y0 - y1, y1), range(x0, x1)),
        }
        best_size, best = -1, ("", [], [])
        for side, (rows, columns) in spans.items():
            inside = [i for i in rows if 0 <= i < height], [j for j in columns if 0 <= j < width]
            size, kept_rows, kept_columns = candidate(mask, side, *inside)
            if size > best_size:
                best_size, best = size, (side, kept_rows, kept_columns)
        side, rows, columns = best
        tile = np.zeros((3, h, w))
        if rows and columns:
            for i in range(h):
                for j in range(w):
                    a = rows[i % len(rows)] if side != "down" else rows[::-1][(h - 1 - i) % len(rows)]
                    b = columns[j % len(columns)] if side != "left" else columns[::-1][(w - 1 - j) % len(columns)]
                    tile[:, i, j] = image[:, a, b]
        for i in range(h):
            for j in range(w):
                image[:, x0 + j, y0 + i] = tile[:, i, j]
    return image


def adjacent(image: Image, mask: Image) -> Image:
    """image (3,H,W): step away from the box, line by line, until something stops."""
    image = image.copy()
    height, width = mask.shape
    for part in components(mask):
        r, c = [p[0] for p in part], [p[1] for p in part]
        box_rows, box_columns = list(range(min(r), max(r) + 1)), list(range(min(c), max(c) + 1))
        lines: dict[str, list[int]] = {"right": [], "left": [], "above": [], "below": []}
        for side, found in lines.items():
            along, across = (box_columns, box_rows) if side in ("right", "left") else (box_rows, box_columns)
            for step in range(1, len(along) + 1):
                at = along[-1] + step if side in ("right", "below") else along[0] - step
                if not 0 <= at < (width if side in ("right", "left") else height):
                    break
                if any(mask[(x, at) if side in ("right", "left") else (at, x)] for x in across):
                    break
                found.append(at)
        areas = {s: len(f) * len(box_rows if s in ("right", "left") else box_columns) for s, f in lines.items()}
        side = max(areas, key=lambda s: areas[s])
        before, found = image.copy(), lines[side]
        for i in box_rows:
            for j in box_columns:
                if not found:
                    image[:, i, j] = 0.5
                    continue
                away = {"right": j - box_columns[0], "left": box_columns[-1] - j, "above": box_rows[-1] - i}
                at = found[away.get(side, i - box_rows[0]) % len(found)]
                image[:, i, j] = before[:, i, at] if side in ("right", "left") else before[:, at, j]
    return image
