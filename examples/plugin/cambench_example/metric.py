"""A metric: a row an image; the names of the arguments say what it looks at."""

from torch import Tensor

from cambench.metrics import Metric


def measure(heatmap: Tensor, mask: Tensor) -> Tensor:
    """1 where the hottest pixel (the first of several) lies in the label's boxes, else 0: (N,H,W), (N,H,W) bool -> (N,)."""
    return mask.flatten(1).gather(1, heatmap.flatten(1).argmax(1, keepdim=True))[:, 0].float()


POINTING_GAME = Metric(
    name="pointing-game",
    measure=measure,
    unit="%",
    higher_is_better=True,
    source="the pointing game (Zhang et al. 2016), without tolerance",
    summary="share of images whose hottest pixel lies inside the boxes of the ground-truth class",
    scale=100,
    steps=("resize",),
    variants=("correct",),  # how boxes become pixels: cambench.metrics.localisation.boxes
    aliases=("pointing",),
)
