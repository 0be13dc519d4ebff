"""Does the heat lie on the object?

The WSOL benchmark resizes maps bicubically and its rows are CAM's; CALM's own maps are resized bilinearly (CALM protocol
§2.5, §6.12). So `max-box-acc` and `px-ap` go by the explainer, unless their option `resize` says otherwise.
"""

from __future__ import annotations

from cambench.metrics.entry import Input, Maps, Metric, Printing, Rows
from cambench.options import Option, inside

local = inside(__name__)

CALM = ("calm", "calm-posterior", "calm-conditional", "calm-saliency")
CUBIC, BILINEAR = ("float64", "resize-cubic", "min-max"), ("float64", "resize", "min-max")
WSOL = "WSOL benchmark (Choe et al. 2020), {}; CALM Tables 3 and 5"
RESIZES = {"by-explainer": Maps(CUBIC, on=dict.fromkeys(CALM, BILINEAR)), "bilinear": Maps(BILINEAR), "cubic": Maps(CUBIC)}
RESIZE = Option(
    "resize",
    "by-explainer",
    "how maps come to the image's size: bicubic but for CALM's own, or all alike (bilinear: CALM §4.1)",
    choices=RESIZES,
    sets="maps",
)
NORMALISE = Option(
    "normalise",
    "min-max",
    "how maps come between 0 and 1: (f − min)/(max − min); max: max(0, f)/max f (CALM eq. 2); clip: cut off, not scaled",
    choices={"min-max": "", "max": "max", "clip": "clip"},
    sets="maps.scaling",
)
BLUR = Option(
    "blur",
    1,
    "pixels a side of a Gaussian blur of maps of CAM and gradients, 1: none (authors' code; CALM §5.1 states no size)",
    least=1,
    odd=True,
    sets="maps.blur",
)
DIFFERENCE = "difference"
PLAIN = (DIFFERENCE, "resize", "absolute", "min-max")
"""|s^A − s^B| at the resolution of the input, in [0, 1]. Source: authors' code (CALM protocol §2.1.5, §6.6)."""
CLIPPED = (DIFFERENCE, "resize", "absolute", "clip")
"""Of CALM's own maps, which are probabilities."""
CUES = {
    "difference": PLAIN,
    "minmax": ("min-max", DIFFERENCE, "resize", "absolute"),
    "max": (DIFFERENCE, "resize", "absolute", "max"),
}

INDEX: dict[str, Metric] = {
    "ch": Metric(
        local("content_heatmap:measure"),
        Printing("%", scale=100),
        summary="share of the heatmap inside the boxes of the ground-truth class",
        source="CGC §4; authors' code",
        asks="How much of the heat lies on the object, inside the outlined box?",
        input=Input("full", scale=2.0),
        maps=Maps(
            ("relu", "sum-to-one-epsilon", "resize"),
            on={"cmwp": ("relu", "resize")},  # CGC protocol §2.5: no epsilon; the metric itself divides by the sum
        ),
        rows=Rows(("official", "correct")),
        options=(
            Option(
                "scale",
                2.0,
                "side of the images as a multiple of the run's; 1 is the default of the authors' script",
                least=0.1,
                most=16.0,
                sets="input.scale",
            ),
        ),
        aliases={
            "ch-224": "scale=1",
            "content-heatmap": "",
            "content-heatmap-224": "scale=1",
            "energy-pointing-game": "scale=1",  # Wang et al. 2020 (Score-CAM): the network's own size
        },
    ),
    "max-box-acc": Metric(
        local("max_box_acc:measure"),
        Printing("%", scale=100),
        summary="share of images where a box of the thresholded map meets an annotated one; best threshold, mean of 3 IoUs",
        source=WSOL.format("MaxBoxAccV2"),
        asks="How often does a box drawn around the heat fit the object?",
        input=Input("resize"),
        maps=RESIZES["by-explainer"],
        rows=Rows(local("max_box_acc:variants"), mean=local("max_box_acc:mean"), averages=True),
        options=(
            RESIZE,
            NORMALISE,
            Option(
                "contours",
                "all",
                "whose box may meet the object: that of any contour, or of the largest alone (MaxBoxAcc, its first form)",
                choices=("all", "largest"),
            ),
            Option("iou", (0.3, 0.5, 0.7), "overlaps from which on a box is right; MaxBoxAcc: 0.5", least=0.0, most=1.0),
        ),
        aliases={
            "max-box-acc-bilinear": "resize=bilinear",
            "maxboxaccv2": "",
            "max-box-acc-v2": "",
            "max-box-acc-v1": "contours=largest,iou=0.5",
        },
    ),
    "px-ap": Metric(
        local("px_ap:measure"),
        Printing("%", scale=100),
        summary="average precision of the map's pixels as a detector of the object's",
        source=WSOL.format("PxAP"),
        asks="How well do hot pixels tell the object from its surroundings?",
        input=Input("resize"),
        maps=RESIZES["by-explainer"],
        rows=Rows(mean=local("px_ap:mean"), averages=True),
        options=(RESIZE, NORMALISE),
        aliases={"px-ap-bilinear": "resize=bilinear", "pixel-average-precision": ""},
    ),
    "cue-localisation": Metric(
        local("cue_localisation:measure"),
        Printing("%", scale=100, headline="fresh/mean"),
        summary="average precision of two classes' map difference on the parts in which they differ; mean over pairs",
        source="CALM §5.2, Table 1; authors' code",
        input=Input("resize"),
        maps=Maps(PLAIN, on=dict.fromkeys(CALM, CLIPPED)),
        rows=Rows(
            local("cue_localisation:VARIANTS"),
            spread=local("cue_localisation:spread"),
            pairs=True,
            leaves_out="without an image, or without a pixel of a cue in a bin",
        ),
        options=(
            Option(
                "bins",
                "thresholds",
                "the protocol's 1,000 thresholds, or one for every score, so that none falls out (our choice)",
                choices=("thresholds", "exact"),
            ),
            Option(
                "normalise",
                "difference",
                "maps of CAM and gradients: their difference between 0 and 1, by its largest value alone (max), or each "
                "map before it (CALM eq. 2)",
                choices=CUES,
                sets="maps.steps",
            ),
            BLUR,
        ),
        aliases={
            "cue-localization": "",
            "mpxap": "",
            "cue-localisation-exact": "bins=exact",
            "cue-localisation-normalised": "normalise=minmax",
            "cue-localization-normalized": "normalise=minmax",
            "cue-localisation-blurred": "blur=31",
        },
    ),
    "pointing-game": Metric(
        local("pointing_game:measure"),
        Printing("%", scale=100),
        summary="share of images whose highest pixel of the heatmap lies in a box of the ground-truth class, or near one",
        source="Zhang et al. 2018 (excitation backprop), §4.1",
        asks="Is the hottest pixel on an object?",
        input=Input("full"),
        maps=Maps(("resize",)),
        rows=Rows(("correct",)),
        options=(Option("tolerance", 15.0, "pixels of the annotated picture by which the boxes may be missed", least=0.0),),
        aliases={"pointing": ""},
    ),
    "relevance-mass": Metric(
        local("relevance:mass"),
        Printing("%", scale=100),
        summary="share of the heatmap's positive relevance on the pixels of the object",
        source="Arras et al. 2022 (CLEVR-XAI), relevance mass accuracy",
        asks="How much of the heat lies on the object, pixel by pixel?",
        input=Input("resize"),
        maps=Maps(("relu", "resize")),
        rows=Rows(leaves_out="whose map is nowhere positive, or which do not show the label"),
        aliases={"relevance-mass-accuracy": ""},
    ),
    "relevance-rank": Metric(
        local("relevance:rank"),
        Printing("%", scale=100),
        summary="share of the object that is hit by as many of the heatmap's highest pixels as the object has",
        source="Arras et al. 2022 (CLEVR-XAI), relevance rank accuracy",
        asks="Do the hottest pixels fill the object?",
        input=Input("resize"),
        maps=Maps(("resize",)),
        rows=Rows(leaves_out="which do not show the label"),
        aliases={"relevance-rank-accuracy": ""},
    ),
    "top1-localisation": Metric(
        local("top1_localisation:measure"),
        Printing("%", scale=100),
        summary="share of images whose class is right and where a box around the heatmap meets an annotated one",
        source="ImageNet's localisation error (Russakovsky et al. 2015, §4.2), after Zhou et al. 2016, §3.2",
        asks="How often are both the class and a box around the heat right?",
        input=Input("resize"),
        maps=RESIZES["by-explainer"],
        rows=Rows(local("top1_localisation:VARIANTS")),
        options=(
            RESIZE,
            NORMALISE,
            Option("threshold", 0.2, "share of the largest value above which a pixel is in the box", least=0.0, most=0.999),
            Option("iou", 0.5, "the overlap from which on a box is right", least=0.0, most=1.0),
        ),
        aliases={"top1-localization": "", "top-1-loc": ""},
        cost=2,
    ),
}
