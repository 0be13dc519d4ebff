"""A metric: a row an image; the names of the arguments say what it looks at."""

from torch import Tensor

from cambench.metrics.entry import Maps, Metric, Printing, Rows
from cambench.options import Option


def measure(heatmap: Tensor, mask: Tensor, *, k: int = 100) -> Tensor:
    """The share of the k hottest pixels that lie in the label's boxes: (N,H,W), (N,H,W) bool -> (N,) in 0..1."""
    hottest = heatmap.flatten(1).topk(min(k, heatmap[0].numel())).indices
    return mask.flatten(1).gather(1, hottest).float().mean(1)


TOP_K_INTERSECTION = Metric(
    measure,
    Printing("%", scale=100),
    summary="share of the hottest pixels that lie inside the boxes of the ground-truth class",
    source="top-k intersection (Theiner et al. 2022)",
    maps=Maps(("resize",)),
    rows=Rows(("correct",)),  # how boxes become pixels: cambench.metrics.localisation.boxes
    options=(Option("k", 100, "how many pixels", least=1),),
    aliases={"tki": ""},
)
