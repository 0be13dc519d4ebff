"""Does the heatmap show what the network needs, and no more?

The image is seen through its heatmap, x ∘ M with M between 0 and 1, in the space of the network's input: where M is 0 it has
the data's mean colour. Map and probability are those of the class that the network predicts on the whole image.
"""

from __future__ import annotations

from cambench.metrics.entry import Maps, Metric, Printing, Rows
from cambench.options import inside

local = inside(__name__)

STEPS = ("relu", "resize", "min-max")
"""A heatmap between 0 and 1, through which the image is seen; one that is constant hides all of it."""
THROUGH = Maps(STEPS, classes="prediction")
UNDEFINED = "whose map, or that of what it shows, is constant, so that they do not correlate"

INDEX: dict[str, Metric] = {
    "average-drop": Metric(
        local("confidence:average_drop"),
        Printing("%", better="down", scale=100),
        summary="what the predicted class's probability loses, by its own size, where the image is seen through its heatmap",
        source="Chattopadhay et al. 2018 (Grad-CAM++), §4.1, Average Drop %",
        asks="How much surer was the network of the whole image than of what the heatmap shows?",
        maps=THROUGH,
        cost=3,
    ),
    "average-increase": Metric(
        local("confidence:average_increase"),
        Printing("%", scale=100),
        summary="share of images of which the network is surer where they are seen through their heatmap",
        source="Chattopadhay et al. 2018 (Grad-CAM++), §4.1, % Increase in Confidence",
        asks="How often is the network surer of what the heatmap shows than of the whole image?",
        maps=THROUGH,
        aliases={"increase-in-confidence": ""},
        cost=3,
    ),
    "coherency": Metric(
        local("coherency:measure"),
        Printing("%", scale=100),
        summary="correlation of the heatmap with that of the image seen through it: 100 % alike, 0 % opposite",
        source="Poppi et al. 2021, Coherency",
        asks="Does the heatmap of what the heatmap shows look the same?",
        maps=THROUGH,
        rows=Rows(leaves_out=UNDEFINED),
        cost=2,
    ),
    "complexity": Metric(
        local("complexity:measure"),
        Printing("%", better="down", scale=100),
        summary="mean of the heatmap, whose values lie between 0 and 1: how much of the image it lets through",
        source="Poppi et al. 2021, Complexity",
        asks="How much of the picture does the heatmap light up?",
        maps=THROUGH,
    ),
    "adcc": Metric(
        local("adcc:measure"),
        Printing("%", scale=100, directions={"average-drop": "down", "complexity": "down"}),
        summary="harmonic mean of coherency, 1 − complexity and 1 − average-drop of an image; beside it what it is made of",
        source="Poppi et al. 2021, ADCC",
        asks="Does the heatmap show what the network needs, stay the same, and stay small, all at once?",
        maps=THROUGH,
        rows=Rows(local("adcc:VARIANTS"), leaves_out=UNDEFINED),
        cost=4,
    ),
    "sparseness": Metric(
        local("sparseness:measure"),
        Printing("Gini index", decimals=3),
        summary="Gini index of the sizes of the heatmap's values: 0 where all are alike, near 1 where few have it all",
        source="Chalasani et al. 2020, after Hurley and Rickard 2009",
        asks="How few pixels hold the heat?",
        maps=Maps(("resize", "absolute"), classes="prediction"),
        rows=Rows(leaves_out="whose map is zero everywhere"),
        aliases={"gini": "", "gini-index": ""},
    ),
}
