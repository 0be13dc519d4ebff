"""MaxBoxAccV2: how often a box around the thresholded map meets an annotated box, at the best threshold for the data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cambench.maps import within_unit
from cambench.vocabulary import Box, CambenchError

THRESHOLDS = np.arange(0, 1, 0.001)
IOUS = (0.3, 0.5, 0.7)
Contours = Literal["all", "largest"]


def measure(
    heatmap: Tensor, box: Sequence[Sequence[Box]], *, contours: Contours = "all", iou: Sequence[float] = IOUS
) -> dict[str, Tensor]:
    """For each δ (iou) of 0.3, 0.5, 0.7, at which of 1,000 thresholds the best contour's box has an IoU of at least δ.

    q = trunc(255·M); threshold i keeps q > int(t_i·max q), t_i = i/1000; the boxes of all contours, holes' too, against all
    annotated boxes, whose corners are truncated to whole pixels and inclusive. Without foreground the box is (0,0,0,0).
    contours `largest`: the box of the contour with the largest area alone, as MaxBoxAcc has it, whose δ is 0.5.
    Source: Choe et al. 2020 (WSOL benchmark), its evaluator; CALM Tables 3 and 5 (CALM protocol §2.5, §5.2).
    heatmap (N,H,W) in [0,1], float64; box: N lists of (x0, y0, x1, y1) in the map's pixels -> {"δ": (N,1000) bool}.
    Raises: CambenchError for maps that leave [0,1] or an image without a box.
    """
    known = within_unit(heatmap, "max-box-acc").double().cpu()
    rows = np.stack([curve(m, b, contours) for m, b in zip(known.numpy(), box, strict=True)])
    return {name: torch.from_numpy(rows >= least) for name, least in zip(names(iou), iou, strict=True)}


def curve(
    heatmap: NDArray[np.float64],
    box: Sequence[Box],
    contours: Contours = "all",
    thresholds: NDArray[np.float64] = THRESHOLDS,
) -> NDArray[np.float64]:
    """The best IoU at each of the thresholds: map (H,W) in [0,1], thresholds (T,) -> (T,)."""
    from cambench.metrics.localisation.contour_boxes import best_ious  # numba takes half a second to import
    from cambench.metrics.localisation.largest_contour import largest_ious

    if not box:
        raise CambenchError("max-box-acc: expected at least one annotated box for each image, got none.")
    quantised, truth = (255 * heatmap).astype(np.uint8), np.array(box, dtype=np.float64).astype(np.int64)
    top = int(quantised.max())
    if top:
        levels = (best_ious if contours == "all" else largest_ious)(quantised, truth)
        return levels[(thresholds * top).astype(np.int64)]
    return np.full(len(thresholds), max(inclusive_iou((0, 0, 0, 0), b) for b in truth.tolist()))


def inclusive_iou(a: Sequence[int], b: Sequence[int]) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1 whose corners are inclusive."""
    wide, tall = (max(0, min(a[i + 2], b[i + 2]) - max(a[i], b[i]) + 1) for i in (0, 1))
    areas = [(c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)]
    return wide * tall / (sum(areas) - wide * tall)


def variants(*, iou: Sequence[float] = IOUS) -> tuple[str, ...]:
    """The names of the values: the mean's, and one a δ where there are several."""
    return ("", *names(iou)) if len(iou) > 1 else ("",)


def names(iou: Sequence[float]) -> list[str]:
    """The names of the columns, one a δ."""
    return [f"{least:g}" for least in iou]


def mean(columns: Mapping[str, Tensor], *, iou: Sequence[float] = IOUS) -> dict[str, float]:
    """The share of images right at the best threshold, for each δ by itself, and the mean of them.

    One threshold serves the whole data set. columns: {"δ": (N,1000) bool} -> {"δ": share, "": mean}.
    """
    shares = {name: float(columns[name].double().mean(0).max()) for name in names(iou)}
    return {"": sum(shares.values()) / len(shares), **shares}
