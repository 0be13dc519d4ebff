"""The entries of the WSOL benchmark's metrics, which CALM's Tables 3 and 5 take over.

The benchmark resizes maps bicubically and its rows are CAM's; CALM's own maps are resized bilinearly (CALM protocol §2.5, §6
trap 12). So `max-box-acc` and `px-ap` go by the explainer, and `-bilinear` resizes every map alike.
"""

from __future__ import annotations

from cambench.metrics.entry import Metric
from cambench.metrics.localisation import cue_localisation, max_box_acc, px_ap

CUBIC, BILINEAR = ("float64", "resize-cubic", "min-max"), ("float64", "resize", "min-max")
ON_CALM = dict.fromkeys(cue_localisation.CALM, BILINEAR)
SOURCE = "WSOL benchmark (Choe et al. 2020), {}; CALM Tables 3 and 5"
CALM_TEXT = "CALM §4.1, whose text says so of every map"

WSOL: dict[str, Metric] = {
    "max-box-acc": Metric(
        "max-box-acc",
        max_box_acc.measure,
        "%",
        True,
        SOURCE.format("MaxBoxAccV2"),
        "share of images whose thresholded map's box meets an annotated one, at the best threshold; mean over three IoUs",
        view="resize",
        scale=100,
        steps=CUBIC,
        steps_on=ON_CALM,
        variants=max_box_acc.VARIANTS,
        aliases=("maxboxaccv2", "max-box-acc-v2"),
        mean=max_box_acc.mean,
        asks="How often does a box drawn around the heat fit the object?",
    ),
    "max-box-acc-bilinear": Metric(
        "max-box-acc-bilinear",
        max_box_acc.measure,
        "%",
        True,
        CALM_TEXT,
        "max-box-acc with bilinear resizing, whatever the map",
        view="resize",
        scale=100,
        steps=BILINEAR,
        variants=max_box_acc.VARIANTS,
        mean=max_box_acc.mean,
    ),
    "px-ap": Metric(
        "px-ap",
        px_ap.measure,
        "%",
        True,
        SOURCE.format("PxAP"),
        "average precision of the map's pixels as a detector of the object's",
        view="resize",
        scale=100,
        steps=CUBIC,
        steps_on=ON_CALM,
        aliases=("pixel-average-precision",),
        mean=px_ap.mean,
        asks="How well do hot pixels tell the object from its surroundings?",
    ),
    "px-ap-bilinear": Metric(
        "px-ap-bilinear",
        px_ap.measure,
        "%",
        True,
        CALM_TEXT,
        "px-ap with bilinear resizing, whatever the map",
        view="resize",
        scale=100,
        steps=BILINEAR,
        mean=px_ap.mean,
    ),
}
