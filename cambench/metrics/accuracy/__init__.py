"""How often is the network right?"""

from __future__ import annotations

from cambench.metrics.entry import Metric, Printing, Rows
from cambench.options import Option, inside

local = inside(__name__)

INDEX: dict[str, Metric] = {
    "top1": Metric(
        local("top_k:top1"),
        Printing("%", scale=100),
        summary="share of images whose best class is the label",
        source="CGC §4",
        asks="How often is the network right?",
        options=(
            Option(
                "answers",
                "label",
                "the answers that are right: the label alone, or any class of the image (CGC Table 3)",
                choices={"label": local("top_k:top1"), "any": local("top_k:top1_any")},
                sets="measure",
            ),
        ),
        aliases={"top1-any": "answers=any"},
    ),
    "top5": Metric(
        local("top_k:top5"),
        Printing("%", scale=100),
        summary="share of images with the label among five best",
        source="CGC Table 9",
        asks="How often is the right class among the network's five best?",
    ),
    "average-precision": Metric(
        local("average_precision:measure"),
        Printing("%", scale=100),
        summary="average precision of each class over the images, not interpolated, then the mean over classes",
        source="ContrastiveCAM Table 4",
        rows=Rows(mean=local("average_precision:mean")),
        aliases={"ap": "", "map": ""},
    ),
    "segmentation-iou": Metric(
        local("segmentation_iou:measure"),
        Printing("%", scale=100),
        summary="overlap of a segmentation head's classes with the annotated ones, mean over classes",
        source="ContrastiveCAM §5, segmentation chart",
        asks="How well does each pixel's class fit the annotated one?",
        rows=Rows(("", "with-background"), mean=local("segmentation_iou:mean")),
    ),
}
