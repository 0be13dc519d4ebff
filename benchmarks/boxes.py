"""MaxBoxAccV2: all 1,000 thresholds of a map in one pass, beside 1,000 thresholdings with OpenCV's contours."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.settings import Settings
from cambench.metrics.localisation.max_box_acc import THRESHOLDS, curve

SIDE = 224
TRUTH = [(50.0, 40.0, 180.0, 190.0), (20.0, 100.0, 90.0, 210.0)]


def fields() -> dict[str, NDArray[np.float64]]:
    """One map of each kind, in [0,1]."""
    rng = np.random.default_rng(0)
    raw = {
        "CAM-like, 14x14": cv2.resize(rng.random((14, 14)), (SIDE, SIDE)),
        "CAM-like, 28x28": cv2.resize(cv2.GaussianBlur(rng.random((28, 28)), (0, 0), 2), (SIDE, SIDE)),
        "gradient-like, blurred": cv2.GaussianBlur(np.abs(rng.standard_normal((SIDE, SIDE))), (0, 0), 1),
        "gradient-like": np.abs(cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE)), (0, 0), 1)),
    }
    return {name: (m - m.min()) / (m.max() - m.min()) for name, m in raw.items()}


def contours(heatmap: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """The boxes of all contours at each of 1,000 thresholds, by OpenCV and a loop over the contours."""
    quantised = (255 * heatmap).astype(np.uint8)
    found = []
    for threshold in THRESHOLDS:
        _, binary = cv2.threshold(quantised, int(threshold * quantised.max()), 255, cv2.THRESH_BINARY)
        boxes = []
        for contour in cv2.findContours(binary, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[-2]:
            x, y, w, h = cv2.boundingRect(contour)
            boxes.append((x, y, min(x + w, SIDE - 1), min(y + h, SIDE - 1)))
        found.append(np.array(boxes))
    return found


def lean(heatmap: NDArray[np.float64]) -> NDArray[np.float64]:
    """The best IoU at each threshold, nothing done twice."""
    truth = np.array(TRUTH).astype(np.int64)
    return np.array([ious(boxes, truth).max() for boxes in contours(heatmap)])


def released(heatmap: NDArray[np.float64]) -> NDArray[np.float64]:
    """As the WSOL benchmark's evaluator is described (CALM protocol §5.1): one table of the boxes of all thresholds,
    whose maximum over the annotated boxes is taken anew for each threshold."""
    every = contours(heatmap)
    table, ends = ious(np.concatenate(every), np.array(TRUTH).astype(np.int64)), np.cumsum([len(b) for b in every])
    return np.array([table.max(1)[end - len(b) : end].max() for end, b in zip(ends, every, strict=True)])


def ious(boxes: NDArray[np.int64], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """(P,T) intersection over union, corners inclusive."""
    x0, y0, x1, y1 = (boxes[:, i : i + 1] for i in range(4))
    wide = np.maximum(0, np.minimum(x1, truth[:, 2]) - np.maximum(x0, truth[:, 0]) + 1)
    tall = np.maximum(0, np.minimum(y1, truth[:, 3]) - np.maximum(y0, truth[:, 1]) + 1)
    area = (x1 - x0 + 1) * (y1 - y0 + 1) + (truth[:, 2] - truth[:, 0] + 1) * (truth[:, 3] - truth[:, 1] + 1)
    return wide * tall / (area - wide * tall)


def seconds(work: Callable[[], object], rounds: int) -> float:
    """CPU seconds of one call, the best of a few rounds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def run(settings: Settings) -> None:
    """Print the CPU time a map of the three ways and their ratios; the curves must be equal."""
    print("MaxBoxAccV2, CPU time a 224x224 map, one thread")
    cv2.setNumThreads(1)
    for name, heatmap in fields().items():
        ours = seconds(partial(curve, heatmap, TRUTH), settings.rounds)
        told = [f"  {name}: {1000 * ours:.1f} ms"]
        for way in (lean, released):
            assert (curve(heatmap, TRUTH) == way(heatmap)).all(), name
            theirs = seconds(partial(way, heatmap), 1)
            told.append(f"OpenCV {way.__name__} {1000 * theirs:.0f} ms, {theirs / ours:.0f} times as long")
        print("; ".join(told), flush=True)
