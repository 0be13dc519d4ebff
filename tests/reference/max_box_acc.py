"""Slow twin of the best IoU at every threshold: OpenCV's contours of each binary image, one box a contour."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def boxes(foreground: NDArray[np.bool_], contours: str = "all") -> list[tuple[int, int, int, int]]:
    """The boxes of all contours of a binary image, or of the largest, as the evaluator stores them; else (0,0,0,0) alone."""
    height, width = foreground.shape
    found = cv2.findContours(foreground.astype(np.uint8) * 255, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[-2]
    if contours == "largest" and len(found):
        found = [max(found, key=cv2.contourArea)]
    rectangles = [cv2.boundingRect(contour) for contour in found]
    return [(x, y, min(x + w, width - 1), min(y + h, height - 1)) for x, y, w, h in rectangles] or [(0, 0, 0, 0)]


def iou(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Intersection over union of two boxes whose corners are inclusive."""
    wide = max(0, min(a[2], b[2]) - max(a[0], b[0]) + 1)
    tall = max(0, min(a[3], b[3]) - max(a[1], b[1]) + 1)
    area = [(c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)]
    return wide * tall / (area[0] + area[1] - wide * tall)


def best_ious(quantised: NDArray[np.uint8], truth: NDArray[np.int64], contours: str = "all") -> list[float]:
    """The best IoU at each threshold level 0 … max(q) − 1."""
    return [
        max(iou(b, t) for b in boxes(quantised > level, contours) for t in truth.tolist())
        for level in range(int(quantised.max()))
    ]
