"""What does the object itself contribute? The metrics of ContrastiveCAM and of Hard-ImageNet's suite, on its regions."""

from __future__ import annotations

from cambench.metrics.entry import Input, Maps, Metric, Printing, Rows
from cambench.options import Option, inside

local = inside(__name__)

SUITE = "ContrastiveCAM Table 2; Hard-ImageNet's suite"
TRIALS = Option("trials", 3, "draws of noise an image", least=1)
SCORE = Option("score", "iou", "how regions are compared: iou, or their Dice coefficient", choices=("iou", "dice"))

READINGS = (
    Option(
        "over",
        "mean",
        "of which maps: D_(t,c), their mean or sum over the other classes; the reconstructed map; HiResCAM of t itself",
        choices=("mean", "sum", "reconstructed", "own"),
    ),
    Option(
        "sign",
        "cells",
        "what a region is worth: the sum of |D| over its cells, |the sum of D|, or the sum itself",
        choices=("cells", "region", "signed"),
    ),
    Option("of", "label", "the class t", choices=("label", "predicted")),
)
"""The readings of ContrastiveCAM's Table 1 (ContrastiveCAM protocol §1.6)."""

INDEX: dict[str, Metric] = {
    "top1-gray-mask": Metric(
        local("gray:mask_accuracy"),
        Printing("%", better="down", scale=100),
        summary="top1 with the object's pixels gray: what the surroundings alone give away",
        source=SUITE,
        asks="How often is the network right with the object painted over?",
        input=Input(mask="dilated"),
    ),
    "top1-gray-box": Metric(
        local("gray:box_accuracy"),
        Printing("%", better="down", scale=100),
        summary="top1 with a box around the object gray",
        source=SUITE,
        input=Input(mask="dilated"),
    ),
    "top1-tile": Metric(
        local("tile:measure"),
        Printing("%", better="down", scale=100),
        summary="top1 with the object tiled over by a piece of the surroundings",
        source=SUITE,
        input=Input(mask="dilated"),
        rows=Rows(("official", "adjacent")),
        cost=2,
    ),
    "rfs": Metric(
        local("rfs:measure"),
        Printing("ratio", decimals=3),
        summary="relative foreground sensitivity: does noise on the object cost more accuracy than noise around it",
        source=SUITE,
        asks="Does noise on the object cost more accuracy than noise around it?",
        input=Input(mask="dilated"),
        rows=Rows(mean=local("rfs:mean")),
        options=(Option("level", 0.25, "deviation of the noise a pixel of [0,1]; the paper states none", least=0.0), TRIALS),
        aliases={"relative-foreground-sensitivity": ""},
        cost=lambda *, trials=3: 2 * trials,
    ),
    "rfs-sweep": Metric(
        local("rfs:sweep"),
        Printing("ratio", decimals=3, headline="linf/0.25"),
        summary="rfs at six levels of noise (linf/0.125 to linf/0.75) and at six l2 norms of it (l2/30 to l2/180)",
        source="ContrastiveCAM; Hard-ImageNet's suite",
        input=Input(mask="dilated"),
        rows=Rows(local("rfs:VARIANTS"), mean=local("rfs:mean_sweep")),
        options=(TRIALS,),
        cost=lambda *, trials=3: 24 * trials,
    ),
    "grad-cam-iou": Metric(
        local("grad_cam_iou:measure"),
        Printing("%", scale=100),
        summary="overlap of the upper half of the Grad-CAM heatmap's range with the object's mask",
        source=SUITE,
        asks="How well does the hot region cover the object?",
        input=Input(mask="dilated"),
        maps=Maps(
            ("relu", "min-max-library", "resize", "min-max-library"),  # ContrastiveCAM protocol §2: scaled twice
            explainer="grad-cam",
        ),
        rows=Rows(leaves_out="whose mask is empty, or for delta-density full"),
        options=(
            Option("threshold", 0.5, "share of the range from which on a pixel is hot", least=0.0, most=1.0),
            Option(
                "score",
                "iou",
                "how they are compared: iou, dice, or delta-density, the heatmap's mean on the object less that around it",
                choices=("iou", "dice", "delta-density"),
            ),
            Option(
                "input",
                "normalised",
                "raw: maps of images that are not normalised, as the suite's code feeds them (ContrastiveCAM protocol §2)",
                choices={"normalised": False, "raw": True},
                sets="input.raw",
            ),
        ),
    ),
    "contrastive-cam-iou": Metric(
        local("contrastive_cam_iou:measure"),
        Printing("%", scale=100),
        summary="overlap of the class-reconstructed ContrastiveCAM with the object's mask, on the map's grid",
        source="ContrastiveCAM Tables 2 and 3",
        maps=Maps(explainer="hires-cam"),
        rows=Rows(local("contrastive_cam_iou:VARIANTS"), leaves_out="whose mask is empty on the grid"),
        options=(SCORE,),
    ),
    "hires-cam-iou": Metric(
        local("hires_cam_iou:measure"),
        Printing("%", scale=100),
        summary="overlap of the map of each class that an image shows with that class's region, on the map's grid",
        source="ContrastiveCAM Table 4",
        asks="How well does each class's hot region cover that class's objects?",
        maps=Maps(explainer="hires-cam"),
        rows=Rows(
            local("hires_cam_iou:VARIANTS"),
            mean=local("hires_cam_iou:mean"),
            leaves_out="none of whose classes shows on the grid",
        ),
        options=(SCORE,),
    ),
    "redundancy": Metric(
        local("redundancy:measure"),
        Printing(
            "logit",
            decimals=3,
            directions={"non-core*": "down", "gamma": "none"},
            units={"core-share": "ratio", "gamma": "ratio"},
        ),
        summary="margin between classes on the object and off it, and what all classes' maps share",
        source="ContrastiveCAM Table 1",
        maps=Maps(explainer="hires-cam"),
        rows=Rows(
            local("redundancy:VARIANTS"),
            mean=local("redundancy:mean"),
            leaves_out="whose label's map is zero everywhere, so that gamma is 0/0",
        ),
        options=READINGS,
    ),
}
