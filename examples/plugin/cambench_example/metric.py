"""A metric: a row an image; the names of the arguments say what it looks at."""

from torch import Tensor

from cambench.metrics.entry import Maps, Metric, Printing, Rows


def measure(heatmap: Tensor, mask: Tensor) -> Tensor:
    """1 where the hottest pixel (the first of several) lies in the label's boxes, else 0: (N,H,W), (N,H,W) bool -> (N,)."""
    return mask.flatten(1).gather(1, heatmap.flatten(1).argmax(1, keepdim=True))[:, 0].float()


POINTING_GAME = Metric(
    measure,
    Printing("%", scale=100),
    summary="share of images whose hottest pixel lies inside the boxes of the ground-truth class",
    source="the pointing game (Zhang et al. 2016), without tolerance",
    maps=Maps(("resize",)),
    rows=Rows(("correct",)),  # how boxes become pixels: cambench.metrics.localisation.boxes
    aliases={"pointing": ""},
)
